use super::*;

fn rest(forge: Forge) -> Rest {
    let options = config::Host {
        token: "t".into(),
        api_base: "https://git.acme.example/api/".to_owned(),
        repositories: vec![],
        context: "stackly".to_owned(),
        default_branches: vec![],
    };
    Rest::new(forge, &options, Duration::from_secs(1)).unwrap()
}

#[test]
fn nothing_from_outside_chooses_another_path() {
    for forge in Forge::ALL {
        let rest = rest(*forge);
        assert_eq!(rest.parts("acme/infra").unwrap(), ["acme", "infra"]);
        for repository in ["acme", "acme/..", "acme/../x", "/x", "x/", "a/\u{7}"] {
            assert!(rest.parts(repository).is_err(), "{forge:?}: {repository}");
        }
    }
    for repository in ["a b/c", "a%2Fb/c", "a/b?c"] {
        assert!(rest(Forge::Gitlab).parts(repository).is_err(), "{repository}");
    }
    assert_eq!(rest(Forge::Gitlab).parts("acme/net/infra").unwrap().len(), 3);
    assert!(rest(Forge::Bitbucket).parts("acme/net/infra").is_err());
    assert_eq!(rest(Forge::BitbucketServer).parts("~ada/infra").unwrap()[0], "~ada");
}

#[test]
fn what_a_name_holds_stays_in_its_part_of_the_address() {
    let rest = rest(Forge::AzureDevops);
    let mut place = rest.parts("Pay & Co?/a%2F..#b").unwrap();
    place.push("commits");
    let address = rest.request(Method::GET, &place).build().unwrap().url().to_string();
    assert_eq!(address, "https://git.acme.example/api/Pay%20&%20Co%3F/a%252F..%23b/commits");
}

#[test]
fn a_page_to_sign_in_is_no_answer_of_azures() {
    let answer = |status| Answer { status, headers: Default::default(), body: vec![] };
    for status in [203, 302, 401] {
        let judged = judge(Forge::AzureDevops, &answer(status), Utc::now());
        assert!(matches!(judged, Err(Trouble::Barred { credential: true, .. })), "{judged:?}");
    }
    assert!(judge(Forge::Gitlab, &answer(203), Utc::now()).is_ok());
}
