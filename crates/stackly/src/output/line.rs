//! For what the line is stopped, and was.

use policy::{line::Stop, page::Stops};

use crate::print::{Cell, Look, Table, Tone, moment};

/// What is stopped, and what was of late.
pub(crate) fn line(line: &Stops, look: &Look) -> String {
    let mut text = match line.stopped.as_slice() {
        [] => "nothing is stopped by hand\n".to_owned(),
        stopped => {
            let mut table = Table::new(&["STOPPED", "SINCE", "BY", "WHY"]);
            for stop in stopped {
                table.row([
                    Cell::new(Tone::Strong, about(stop)),
                    moment(stop.at).into(),
                    stop.by.clone().into(),
                    stop.reason.clone().into(),
                ]);
            }
            table.render(look)
        }
    };
    if !line.ended.is_empty() {
        let mut table = Table::new(&["WAS STOPPED", "FROM", "BY", "WHY", "UNTIL", "BY", "WHY"]);
        for stop in &line.ended {
            let Some(end) = &stop.ended else { continue };
            table.row([
                about(stop).into(),
                moment(stop.at).into(),
                stop.by.clone().into(),
                stop.reason.clone().into(),
                moment(end.at).into(),
                end.by.clone().into(),
                end.reason.clone().unwrap_or_default().into(),
            ]);
        }
        text.push('\n');
        text.push_str(&table.render(look));
    }
    text
}

/// How many stacks a stop holds that is for some labels alone, if that is known.
pub(crate) fn held(stacks: Option<usize>, labels: &[String]) -> String {
    let labels = labels.join(", ");
    match stacks {
        None => String::new(),
        Some(0) => {
            format!(
                "\nno stack has a label like {labels}, so it holds none: see `stackly stacks`\n"
            )
        }
        Some(1) => format!("\nit holds 1 stack, by its label like {labels}\n"),
        Some(held) => format!("\nit holds {held} stacks, by their labels like {labels}\n"),
    }
}

/// One stop in one line.
pub(crate) fn sentence(stop: &Stop) -> String {
    let Stop { by, at, reason, .. } = stop;
    format!("stopped: {}, by {by} since {}: {reason}", about(stop), moment(*at))
}

fn about(stop: &Stop) -> String {
    if stop.labels.is_empty() { "everything".to_owned() } else { stop.labels.join(", ") }
}
