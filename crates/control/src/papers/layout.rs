//! Where everything of a paper stands on its pages, in points from the upper left corner.

use pdf_writer::{Content, Name, Str};

use super::face::{BadFace, Weight};
use super::{Paper, Table, Total};

/// A4.
pub(super) const PAGE_WIDTH: f32 = 595.28;
pub(super) const PAGE_HEIGHT: f32 = 841.89;
const LEFT: f32 = 52.0;
const RIGHT: f32 = PAGE_WIDTH - 52.0;
const TOP: f32 = 60.0;
/// Nothing but the foot stands below.
const BOTTOM: f32 = PAGE_HEIGHT - 76.0;
const FOOT: f32 = PAGE_HEIGHT - 44.0;
/// Where the second of two columns begins, and sums under a table.
const MIDDLE: f32 = LEFT + (RIGHT - LEFT) * 0.5;
/// From one line to the next, in sizes.
const LINE: f32 = 1.4;
const GAP: f32 = 10.0;

const TITLE: f32 = 19.0;
const HEADLINE: f32 = 15.0;
const TEXT: f32 = 9.0;
const SMALL: f32 = 7.8;

const INK: f32 = 0.10;
const GREY: f32 = 0.42;
const HAIR: f32 = 0.86;

#[derive(Clone, Copy)]
struct Style {
    size: f32,
    is_strong: bool,
    gray: f32,
}

const PLAIN: Style = Style {
    size: TEXT,
    is_strong: false,
    gray: INK,
};
const STRONG: Style = Style {
    is_strong: true,
    ..PLAIN
};
const HEAD: Style = Style {
    size: SMALL,
    is_strong: false,
    gray: GREY,
};

/// The pages under way.
struct Sheet {
    pages: Vec<Content>,
    regular: Weight,
    strong: Weight,
    /// Where the next thing begins.
    y: f32,
}

/// The pages of a paper, and the letters that they use.
pub(super) fn lay_out(paper: &Paper) -> Result<(Vec<Content>, [Weight; 2]), BadFace> {
    let mut sheet = Sheet {
        pages: vec![Content::new()],
        regular: Weight::regular()?,
        strong: Weight::strong()?,
        y: TOP,
    };
    sheet.head(paper);
    for table in &paper.tables {
        sheet.table(table);
    }
    sheet.notes(&paper.notes);
    sheet.feet(paper);
    Ok((sheet.pages, [sheet.regular, sheet.strong]))
}

impl Sheet {
    fn head(&mut self, paper: &Paper) {
        let title = Style {
            size: TITLE,
            ..STRONG
        };
        let name = Style {
            size: 12.0,
            gray: GREY,
            ..STRONG
        };
        let seller = paper.from.first().map(String::as_str).unwrap_or_default();
        let seller = self.wrapped(seller, name, RIGHT - MIDDLE);
        self.y += TITLE;
        self.draw(LEFT, self.y, title, &paper.title);
        let mut y = self.y;
        for line in seller {
            self.draw_right(RIGHT, y, name, &line);
            y += name.size * LINE;
        }
        self.y = y.max(self.y + TITLE * LINE) + 2.0;
        self.facts(&paper.facts);
        self.y += 18.0;
        self.parties(&paper.from, &paper.to);
        self.y += 26.0;
        let headline = Style {
            size: HEADLINE,
            ..STRONG
        };
        for line in self.wrapped(&paper.headline, headline, RIGHT - LEFT) {
            self.draw(LEFT, self.y, headline, &line);
            self.y += HEADLINE * LINE;
        }
        self.y += 4.0;
    }

    fn facts(&mut self, facts: &[(String, String)]) {
        let widths = facts.iter().map(|(label, _)| self.width(label, STRONG));
        let widest = widths.fold(0.0, f32::max);
        for (label, value) in facts {
            self.draw(LEFT, self.y, STRONG, label);
            let x = LEFT + widest + 16.0;
            for line in self.wrapped(value, PLAIN, RIGHT - x) {
                self.draw(x, self.y, PLAIN, &line);
                self.y += TEXT * LINE + 1.0;
            }
        }
    }

    /// Both sides, side by side.
    fn parties(&mut self, from: &[String], to: &[String]) {
        let top = self.y;
        let mut lowest = top;
        for (x, heading, lines) in [(LEFT, "From", from), (MIDDLE, "Bill to", to)] {
            let mut y = top;
            self.draw(x, y, HEAD, heading);
            y += TEXT * LINE + 1.0;
            for (index, line) in lines.iter().enumerate() {
                let style = if index == 0 { STRONG } else { PLAIN };
                for line in self.wrapped(line, style, MIDDLE - LEFT - 2.0 * GAP) {
                    self.draw(x, y, style, &line);
                    y += TEXT * LINE;
                }
            }
            lowest = lowest.max(y);
        }
        self.y = lowest;
    }

    fn table(&mut self, table: &Table) {
        self.make_room(90.0);
        self.y += 14.0;
        if !table.heading.is_empty() {
            let style = Style {
                size: 11.0,
                ..STRONG
            };
            self.draw(LEFT, self.y + 6.0, style, &table.heading);
            self.y += 22.0;
        }
        self.heads(table);
        for row in &table.rows {
            self.row(table, row);
        }
        for total in &table.totals {
            self.total(total);
        }
        self.y += 8.0;
    }

    fn heads(&mut self, table: &Table) {
        self.y += SMALL;
        for (column, (x, width)) in table.columns.iter().zip(columns(table)) {
            match column.is_number {
                true => self.draw_right(x + width, self.y, HEAD, column.head),
                false => self.draw(x, self.y, HEAD, column.head),
            }
        }
        self.y += 6.0;
        self.rule(LEFT, INK, 0.8);
        self.y += 4.0;
    }

    /// One row, whole on one page; the heads are repeated where a new one begins.
    fn row(&mut self, table: &Table, row: &[String]) {
        let places = columns(table);
        let cells: Vec<Vec<String>> = row
            .iter()
            .zip(&places)
            .map(|(cell, (_, width))| self.wrapped(cell, PLAIN, width - GAP))
            .collect();
        let lines = cells.iter().map(Vec::len).max().unwrap_or(1);
        let line = TEXT * LINE;
        let height = line * f32::from(u16::try_from(lines).unwrap_or(1)) + 5.0;
        if self.make_room(height) {
            self.heads(table);
        }
        for ((column, (x, width)), lines) in table.columns.iter().zip(&places).zip(cells) {
            let mut y = self.y + TEXT + 1.0;
            for text in lines {
                match column.is_number {
                    true => self.draw_right(x + width, y, PLAIN, &text),
                    false => self.draw(*x, y, PLAIN, &text),
                }
                y += line;
            }
        }
        self.y += height;
    }

    fn total(&mut self, total: &Total) {
        self.make_room(20.0);
        self.y += 3.0;
        self.rule(MIDDLE, HAIR, 0.6);
        let style = if total.is_strong { STRONG } else { PLAIN };
        self.y += TEXT + 4.0;
        self.draw(MIDDLE, self.y, style, &total.label);
        self.draw_right(RIGHT, self.y, style, &total.value);
        self.y += 4.0;
    }

    fn notes(&mut self, notes: &[String]) {
        self.y += 16.0;
        for note in notes {
            let lines = self.wrapped(note, HEAD, RIGHT - LEFT);
            self.make_room(SMALL * LINE * f32::from(u16::try_from(lines.len()).unwrap_or(1)));
            for line in lines {
                self.draw(LEFT, self.y + SMALL, HEAD, &line);
                self.y += SMALL * LINE;
            }
            self.y += 4.0;
        }
    }

    /// What every page ends with, now that their number is known.
    fn feet(&mut self, paper: &Paper) {
        let number = paper.facts.first().map(|(_, number)| number.as_str());
        let foot = format!("{} · {}", number.unwrap_or_default(), paper.headline);
        let foot = self.wrapped(&foot, HEAD, RIGHT - LEFT - 80.0);
        let foot = foot.into_iter().next().unwrap_or_default();
        let count = self.pages.len();
        let mut done = Vec::new();
        for (index, page) in std::mem::take(&mut self.pages).into_iter().enumerate() {
            self.pages = vec![page];
            self.y = FOOT - 12.0;
            self.rule(LEFT, HAIR, 0.6);
            self.draw(LEFT, FOOT, HEAD, &foot);
            let place = format!("Page {} of {count}", index + 1);
            self.draw_right(RIGHT, FOOT, HEAD, &place);
            done.append(&mut self.pages);
        }
        self.pages = done;
    }

    /// Begins a page if less than this is left of the present one.
    fn make_room(&mut self, height: f32) -> bool {
        let is_full = self.y + height > BOTTOM;
        if is_full {
            self.pages.push(Content::new());
            self.y = TOP;
        }
        is_full
    }

    fn weight(&mut self, style: Style) -> &mut Weight {
        match style.is_strong {
            true => &mut self.strong,
            false => &mut self.regular,
        }
    }

    fn width(&self, text: &str, style: Style) -> f32 {
        let weight = if style.is_strong {
            &self.strong
        } else {
            &self.regular
        };
        weight.width(text) * style.size / 1_000.0
    }

    /// The text in lines that are not wider than this. A word that is wider is cut.
    fn wrapped(&self, text: &str, style: Style, width: f32) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let line = lines.last().cloned().unwrap_or_default();
            let longer = if line.is_empty() {
                word.to_owned()
            } else {
                format!("{line} {word}")
            };
            if self.width(&longer, style) <= width {
                lines.pop();
                lines.push(longer);
                continue;
            }
            if line.is_empty() {
                lines.pop();
            }
            let mut piece = String::new();
            for letter in word.chars() {
                piece.push(letter);
                if self.width(&piece, style) > width && piece.chars().count() > 1 {
                    piece.pop();
                    let rest = piece.split_off(end_of_part(&piece));
                    lines.push(std::mem::replace(&mut piece, rest));
                    piece.push(letter);
                }
            }
            lines.push(piece);
        }
        lines
    }

    fn draw(&mut self, x: f32, y: f32, style: Style, text: &str) {
        let weight = self.weight(style);
        let (font, codes) = (weight.resource, weight.encode(text));
        if let Some(page) = self.pages.last_mut() {
            page.begin_text()
                .set_fill_gray(style.gray)
                .set_font(Name(font.as_bytes()), style.size)
                .next_line(x, PAGE_HEIGHT - y)
                .show(Str(&codes))
                .end_text();
        }
    }

    fn draw_right(&mut self, right: f32, y: f32, style: Style, text: &str) {
        let x = right - self.width(text, style);
        self.draw(x, y, style, text);
    }

    /// A line across, from `x` to the right edge.
    fn rule(&mut self, x: f32, gray: f32, width: f32) {
        let y = PAGE_HEIGHT - self.y;
        if let Some(page) = self.pages.last_mut() {
            page.set_stroke_gray(gray)
                .set_line_width(width)
                .move_to(x, y)
                .line_to(RIGHT, y)
                .stroke();
        }
    }
}

/// Where a word that does not fit is best cut: after the last mark between its parts.
fn end_of_part(word: &str) -> usize {
    let mark = word.rfind(['-', '/', '_', '.', ':', '@']);
    mark.map_or(word.len(), |at| at + 1)
}

/// Where each column begins, and how wide it is.
fn columns(table: &Table) -> Vec<(f32, f32)> {
    let mut x = LEFT;
    let place = |percent: u8| {
        let width = (RIGHT - LEFT) * f32::from(percent) / 100.0;
        let place = (x, width);
        x += width;
        place
    };
    table
        .columns
        .iter()
        .map(|it| it.percent)
        .map(place)
        .collect()
}
