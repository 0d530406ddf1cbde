//! Simple tables that fit the terminal: the last column wraps, and where that is not enough, one
//! column that says so is cut off.

use console::{measure_text_width as width_of, truncate_str};

use super::{Look, Tone, clean};

const GAP: &str = "  ";
const INDENT: &str = "    ";
/// A last column narrower than this is put below its row instead.
const LAST_MIN: usize = 24;
/// No column is cut shorter than this.
const CUT_MIN: usize = 12;

/// A text and its tone.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone.
    pub fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { text: clean(text.as_ref()), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Rows under a head, each with lines of its own below.
#[derive(Debug, Default)]
pub struct Table {
    head: Vec<&'static str>,
    right: Vec<usize>,
    cut: Option<usize>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    cells: Vec<Cell>,
    notes: Vec<Cell>,
}

impl Table {
    /// A table with these columns.
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), ..Self::default() }
    }

    /// Numbers stand to the right.
    #[must_use]
    pub fn right(mut self, columns: &[usize]) -> Self {
        self.right = columns.to_vec();
        self
    }

    /// The column that may be cut off in a terminal that is too narrow.
    #[must_use]
    pub fn cut(mut self, column: usize) -> Self {
        self.cut = Some(column);
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row { cells: cells.into_iter().collect(), notes: Vec::new() });
    }

    /// Adds a line below the last row.
    pub fn note(&mut self, note: impl Into<Cell>) {
        if let Some(row) = self.rows.last_mut() {
            row.notes.push(note.into());
        }
    }

    /// The table as text, each line with its end.
    pub fn render(&self, look: &Look) -> String {
        let widths = self.widths(look);
        let last = self.head.len().saturating_sub(1);
        let before: usize = widths[..last].iter().map(|width| width + GAP.len()).sum();
        let room = look.width.map(|width| width.saturating_sub(before));
        let below = room.is_some_and(|room| room < LAST_MIN && room < widths[last]);
        let mut text = String::new();
        let frame = Frame { look, widths: &widths, before, room, below };
        let head = self.head.iter().enumerate().filter(|(column, _)| !below || *column != last);
        let head: Vec<String> = head
            .map(|(column, name)| self.padded(column, &Cell::new(Tone::Faint, name), &frame))
            .collect();
        push_line(&mut text, &head.join(GAP));
        for row in &self.rows {
            self.push_row(&mut text, row, &frame);
        }
        text
    }

    fn push_row(&self, text: &mut String, row: &Row, frame: &Frame<'_>) {
        let Frame { look, before, room, below, .. } = *frame;
        let last = self.head.len().saturating_sub(1);
        let mut line: Vec<String> = row
            .cells
            .iter()
            .take(last)
            .enumerate()
            .map(|(column, cell)| self.padded(column, cell, frame))
            .collect();
        let end = row.cells.get(last).cloned().unwrap_or_default();
        if below {
            push_line(text, &line.join(GAP));
            push_wrapped(text, &end, look);
        } else {
            let mut pieces = wrapped(&end.text, room).into_iter();
            line.push(look.paint(end.tone, &pieces.next().unwrap_or_default()));
            push_line(text, &line.join(GAP));
            for piece in pieces {
                push_line(text, &format!("{:before$}{}", "", look.paint(end.tone, &piece)));
            }
        }
        row.notes.iter().for_each(|note| push_wrapped(text, note, look));
    }

    fn widths(&self, look: &Look) -> Vec<usize> {
        let widest = |(column, name): (usize, &&str)| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(column));
            cells.map(|cell| width_of(&cell.text)).max().unwrap_or(0).max(width_of(name))
        };
        let mut widths: Vec<usize> = self.head.iter().enumerate().map(widest).collect();
        if let (Some(room), Some(cut), Some((last, before))) =
            (look.width, self.cut, widths.split_last())
        {
            let before: usize = before.iter().map(|width| width + GAP.len()).sum();
            let excess = (before + (*last).min(LAST_MIN)).saturating_sub(room);
            widths[cut] = widths[cut].saturating_sub(excess).max(CUT_MIN.min(widths[cut]));
        }
        widths
    }

    /// Blanks stand outside the colour, so that they can be cut off at the end of a line.
    fn padded(&self, column: usize, cell: &Cell, frame: &Frame<'_>) -> String {
        let text = truncate_str(&cell.text, frame.widths[column], "…");
        let blank = " ".repeat(frame.widths[column].saturating_sub(width_of(&text)));
        let text = frame.look.paint(cell.tone, &text);
        match self.right.contains(&column) {
            true => format!("{blank}{text}"),
            false => format!("{text}{blank}"),
        }
    }
}

#[derive(Clone, Copy)]
struct Frame<'a> {
    look: &'a Look,
    widths: &'a [usize],
    before: usize,
    room: Option<usize>,
    below: bool,
}

fn push_wrapped(text: &mut String, cell: &Cell, look: &Look) {
    if cell.text.is_empty() {
        return;
    }
    let room = look.width.map(|width| width.saturating_sub(INDENT.len()));
    for piece in wrapped(&cell.text, room) {
        push_line(text, &format!("{INDENT}{}", look.paint(cell.tone, &piece)));
    }
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

/// The text in lines no wider than `room`, broken between words; a longer word stands alone, so
/// that ids and addresses can be copied.
fn wrapped(text: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room else { return vec![text.to_owned()] };
    if width_of(text) <= room {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if width_of(line) + 1 + width_of(word) <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
