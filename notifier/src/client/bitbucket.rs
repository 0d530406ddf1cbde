//! Bitbucket Cloud: build statuses, reports with annotations, and comments at pull requests.

use contracts::validation::Annotation;
use reqwest::Method;
use serde_json::{Value, json};
use store::Claim;
use uuid::Uuid;

use super::{Host, PAGE, PAGES_MAX, report};
use crate::{
    call::StatusCall, comment::Comment, findings::Findings, http::Trouble, rest::Rest,
    slack::text::clip, status::Status,
};

/// Longer keys of statuses are refused.
const KEY_CHARS_MAX: usize = 40;
/// So are longer summaries of annotations.
const SUMMARY_CHARS_MAX: usize = 450;
/// And more annotations at a time.
const AT_A_TIME: usize = 100;

pub(crate) struct Bitbucket {
    pub(super) rest: Rest,
}

impl Host for Bitbucket {
    async fn set(&self, call: &StatusCall) -> Result<(), Trouble> {
        let StatusCall { status, context, .. } = call;
        let (place, page) = self.place(status).await?;
        let body = json!({
            "key": key(context),
            "name": context,
            "state": status.state.at_bitbucket(),
            "description": status.description,
            // It takes no status that leads nowhere.
            "url": status.target_url.as_ref().unwrap_or(&page),
        });
        let place = below(&place, &["statuses", "build"]);
        let request = self.rest.request(Method::POST, &place).json(&body);
        self.rest.call("create build status", request).await.map(drop)
    }

    async fn find(&self, comment: &Comment) -> Result<Option<String>, Trouble> {
        let mark = comment.without_html().mark;
        let (place, size) = (self.comments(comment)?, PAGE.to_string());
        for page in 1..=PAGES_MAX {
            let page = page.to_string();
            let query = [("sort", "-created_on"), ("pagelen", &size), ("page", &page)];
            let request = self.rest.request(Method::GET, &below(&place, &[])).query(&query);
            let answer = self.rest.call("list comments", request).await?.json();
            let said =
                |it: &&Value| it["content"]["raw"].as_str().is_some_and(|it| it.contains(&mark));
            let found = answer["values"].as_array().and_then(|all| all.iter().find(said));
            if let Some(found) = found {
                return Ok(id(found));
            }
            if answer["next"].is_null() {
                break;
            }
        }
        Ok(None)
    }

    async fn write(&self, comment: &Comment) -> Result<String, Trouble> {
        let place = self.comments(comment)?;
        let request = self.rest.request(Method::POST, &below(&place, &[])).json(&raw(comment));
        let answer = self.rest.call("create comment", request).await?;
        id(&answer.json()).ok_or_else(|| self.rest.garbled("which comment it is"))
    }

    async fn rewrite(&self, comment: &Comment, id: &str) -> Result<(), Trouble> {
        let place = self.comments(comment)?;
        let request = self.rest.request(Method::PUT, &below(&place, &[id])).json(&raw(comment));
        self.rest.call("update comment", request).await.map(drop)
    }

    /// Begins the report anew, so that nothing stands there that was found before.
    async fn list(&self, findings: &Findings, _claim: &Claim) -> Result<(), Trouble> {
        let (place, page) = self.place(&findings.call.status).await?;
        let id = report::id(findings);
        let place = below(&place, &["reports", &id]);
        let request = self.rest.request(Method::DELETE, &place);
        match self.rest.call("delete report", request).await {
            Ok(_) | Err(Trouble::Never { status: Some(404), .. }) => {}
            Err(trouble) => return Err(trouble),
        }
        let passed = report::is_passed(findings);
        let body = json!({
            "title": findings.call.context,
            "details": report::details(findings),
            "external_id": id,
            "reporter": "Stackly",
            "report_type": "SECURITY",
            "result": if passed { "PASSED" } else { "FAILED" },
            "link": page,
        });
        let request = self.rest.request(Method::PUT, &place).json(&body);
        self.rest.call("create report", request).await?;
        let place = [&place[..], &["annotations"]].concat();
        let annotations: Vec<Value> =
            findings.annotations.iter().enumerate().map(annotation).collect();
        for some in annotations.chunks(AT_A_TIME) {
            let request = self.rest.request(Method::POST, &place).json(some);
            self.rest.call("create annotations", request).await?;
        }
        Ok(())
    }
}

impl Bitbucket {
    fn comments(&self, comment: &Comment) -> Result<Vec<String>, Trouble> {
        let mut place = self.repository(&comment.repository)?;
        let number = comment.pull_request.to_string();
        place.extend(["pullrequests".to_owned(), number, "comments".to_owned()]);
        Ok(place)
    }

    fn repository(&self, repository: &str) -> Result<Vec<String>, Trouble> {
        let parts = self.rest.parts(repository)?.into_iter();
        Ok(["repositories"].into_iter().chain(parts).map(str::to_owned).collect())
    }

    /// Where a commit is: in the API, and for people. Webhooks of pull requests cut its name, and
    /// statuses and reports are of whole ones.
    async fn place(&self, status: &Status) -> Result<(Vec<String>, String), Trouble> {
        let mut place = self.repository(&status.repository)?;
        place.push("commit".to_owned());
        let commit = self.rest.commit(status)?;
        let whole = match status.commit.is_whole() {
            true => commit.to_owned(),
            false => {
                let request = self.rest.request(Method::GET, &below(&place, &[commit]));
                let answer = self.rest.call("get commit", request).await?.json();
                let whole = answer["hash"].as_str().filter(|hash| hash.starts_with(commit));
                whole.ok_or_else(|| self.rest.garbled("which commit it is"))?.to_owned()
            }
        };
        let page = format!("https://bitbucket.org/{}/commits/{whole}", status.repository);
        place.push(whole);
        Ok((place, page))
    }
}

fn raw(comment: &Comment) -> Value {
    json!({ "content": { "raw": comment.without_html().body } })
}

fn id(comment: &Value) -> Option<String> {
    comment["id"].as_u64().map(|id| id.to_string())
}

fn below<'p>(place: &'p [String], rest: &[&'p str]) -> Vec<&'p str> {
    place.iter().map(String::as_str).chain(rest.iter().copied()).collect()
}

/// What tells a status apart from others of its commit.
fn key(context: &str) -> String {
    if context.chars().count() <= KEY_CHARS_MAX {
        return context.to_owned();
    }
    let whole = Uuid::new_v5(&contracts::id::NAMESPACE, context.as_bytes()).simple().to_string();
    let beginning: String = context.chars().take(KEY_CHARS_MAX - 9).collect();
    format!("{beginning}-{}", &whole[..8])
}

fn annotation((place, found): (usize, &Annotation)) -> Value {
    let message = report::message(found);
    json!({
        "external_id": format!("stackly-{place}"),
        "annotation_type": report::kind(found),
        "path": found.file,
        "line": found.line,
        "summary": clip(&message, SUMMARY_CHARS_MAX),
        "details": message,
        "severity": report::severity(found),
    })
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_long_name_has_a_key_of_its_own_that_is_short_enough() {
        assert_eq!(key("stackly/plan"), "stackly/plan");
        let [one, other] =
            ["a", "b"].map(|end| key(&format!("stackly (release/2026-11-of-the-platform-{end})")));
        assert_eq!((one.chars().count(), one == other), (40, false));
        assert!(one.starts_with("stackly (release/2026-11-of-the"), "{one}");
    }
}
