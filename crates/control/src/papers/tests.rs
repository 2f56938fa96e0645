//! Papers, set: as a page against one that was looked at, and as a file that is read again.

use domain::document::{DocumentKind, Line, PaidWith, Party};
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::month::Month;
use domain::time::AtUs;
use store::receipts::{Content, Document};
use store::statements::{Movements, Statement, Usage};

use super::html::html;
use super::pdf::pdf;
use super::{Paper, receipt, statement};

const DOLLAR: i64 = 1_000_000_000;

pub(super) fn seller() -> Party {
    Party {
        name: "Fare & Co. KG".into(),
        address: "Hafenstraße 12\n20459 Hamburg".into(),
        country: "DE".into(),
        tax_id: "DE123456789".into(),
        email: "billing@fare.example".into(),
    }
}

fn buyer() -> Party {
    Party {
        name: "<b>Žluťoučký</b> & Ένωση Софи 東京".into(),
        address: "ул. Граф Игнатиев 5\n1000 София".into(),
        country: "BG".into(),
        tax_id: "BG987654321".into(),
        email: "books@example.com".into(),
    }
}

fn sold(kind: DocumentKind) -> Document {
    let is_receipt = kind == DocumentKind::Receipt;
    Document {
        number: kind.number("F-", 2026, 17),
        kind,
        organization: OrganizationId::new("org-a"),
        purchase: "payment:pay_1".into(),
        of_receipt: (!is_receipt).then(|| "F-2026-000016".into()),
        issued_at: AtUs::from_seconds(1_795_780_800),
        amount: Nusd::new(25 * DOLLAR),
        tax: Nusd::new(4_750_000_000),
        content: Content {
            seller: seller(),
            buyer: buyer(),
            lines: vec![Line {
                description: "Prepaid API credit".into(),
                amount: Nusd::new(25 * DOLLAR),
            }],
            tax_percent: "19".into(),
            paid_with: Some(PaidWith {
                brand: "visa".into(),
                last4: "4242".into(),
            }),
            reason: (!is_receipt).then(|| "asked for by the customer".into()),
        },
    }
}

/// A month with so many models in use.
fn month(models: u64) -> Paper {
    let usage = (0..models).map(|index| Usage {
        project: "proj_a".into(),
        project_name: "Search".into(),
        model: format!("vendor/model-{index}-with-a-name-that-is-long"),
        requests: 1_234 + index,
        input_tokens: 5_678_901,
        output_tokens: 234_567,
        cost: Nusd::new(1_234_567_891),
    });
    let moved = |code: &str, count, amount| Movements {
        code: code.into(),
        count,
        amount: Nusd::new(amount),
    };
    let mut found = Statement {
        opening: Nusd::new(12_345_678_901),
        movements: vec![
            moved("purchase", 2, 50 * DOLLAR),
            moved("grant", 1, 5 * DOLLAR),
            moved("expiry", 1, -123_456_789),
        ],
        usage: usage.collect(),
        admitted_before: Nusd::new(1_004_000),
        settled_after: Nusd::new(7_002_003),
        closing: Nusd::ZERO,
        is_final: true,
    };
    found.closing = found.opening + found.moved() - found.usage_cost() - found.admitted_before
        + found.settled_after;
    statement::paper(&statement::Issued {
        month: Month::parse("2026-11").expect("a month"),
        statement: &found,
        seller: &seller(),
        buyer: &buyer(),
        organization: "org-a",
        until: AtUs::from_seconds(1_796_083_199),
    })
}

#[test]
fn pages_are_as_they_were_looked_at() {
    let receipt = receipt::paper(&sold(DocumentKind::Receipt));
    insta::assert_snapshot!("receipt", html(&receipt).expect("it is set"));
    let note = receipt::paper(&sold(DocumentKind::CreditNote));
    insta::assert_snapshot!("credit_note", html(&note).expect("it is set"));
    insta::assert_snapshot!("statement", html(&month(2)).expect("it is set"));
}

#[test]
fn a_page_names_people_as_they_write_themselves_whichever_way_that_runs() {
    let names = [
        "東京電算株式会社",
        "北京云计算有限公司",
        "한국클라우드 주식회사",
        "שירותי ענן בע״מ",
        "شركة السحابة ١٢٣",
        "บริษัท คลาวด์",
        "क्लाउड सेवाएँ",
    ];
    for name in names {
        let mut document = sold(DocumentKind::Receipt);
        document.content.buyer.name = name.into();
        let paper = receipt::paper(&document);
        // Each by itself, so that what is written from the right does not turn what is beside it.
        let page = html(&paper).expect("it is set");
        assert!(
            page.contains(&format!("<bdi>{name}</bdi>")),
            "{name}: {page}"
        );
        let pages = reader::pages(&pdf(&paper).expect("it is set"));
        assert!(
            pages[0].iter().any(|it| it == name),
            "{name}: {:?}",
            pages[0]
        );
    }
}

#[test]
fn the_same_paper_is_the_same_bytes() {
    let paper = month(40);
    assert_eq!(
        pdf(&paper).expect("it is set"),
        pdf(&paper).expect("it is set")
    );
}

#[test]
fn the_text_of_a_file_is_there_to_be_copied_also_what_the_typeface_lacks() {
    let file = pdf(&receipt::paper(&sold(DocumentKind::Receipt))).expect("it is set");
    let pages = reader::pages(&file);
    assert_eq!(pages.len(), 1);
    for text in [
        "Receipt",
        "F-2026-000017",
        "Visa ending in 4242",
        "<b>Žluťoučký</b> & Ένωση Софи 東京",
        "$29.75 paid on November 27, 2026",
        "Tax (19%)",
        "Page 1 of 1",
    ] {
        assert!(
            pages[0].iter().any(|it| it == text),
            "{text}: {:?}",
            pages[0]
        );
    }
    assert!(
        file.len() < 40_000,
        "only the letters it uses: {}",
        file.len()
    );
}

#[test]
fn a_long_table_goes_on_under_the_same_heads() {
    let file = pdf(&month(90)).expect("it is set");
    let pages = reader::pages(&file);
    assert!(pages.len() > 3, "{}", pages.len());
    let has = |page: &[String], text: &str| page.iter().any(|it| it == text);
    for (index, page) in pages.iter().enumerate() {
        assert!(has(page, &format!("Page {} of {}", index + 1, pages.len())));
        let has_rows = page.iter().any(|it| it.starts_with("vendor/model-"));
        assert!(
            !has_rows || has(page, "Input tokens"),
            "page {index}: {page:?}"
        );
    }
    for index in 0..90 {
        let requests = super::words::grouped(1_234 + index);
        assert!(pages.iter().any(|page| has(page, &requests)), "{requests}");
    }
}

#[test]
fn what_does_not_fit_is_cut_and_nothing_is_lost() {
    let mut paper = receipt::paper(&sold(DocumentKind::Receipt));
    let long = "W".repeat(700);
    paper.tables[0].rows = vec![vec![long.clone(), "$1.00".into()]];
    paper.facts.push(("Empty".into(), String::new()));
    paper.to = Vec::new();
    let pages = reader::pages(&pdf(&paper).expect("it is set"));
    let pieces = pages.iter().flatten().filter(|it| it.starts_with('W'));
    assert_eq!(pieces.cloned().collect::<String>(), long);
}

#[test]
fn a_statement_says_what_rounding_makes_of_it() {
    let paper = month(2);
    let cents = |text: &str| -> i64 {
        let digits: String = text
            .chars()
            .filter(|it| it.is_ascii_digit() || *it == '-')
            .collect();
        digits.parse().expect("an amount")
    };
    let rows = &paper.tables[0].rows;
    assert_eq!(rows.last().map(|row| row[0].as_str()), Some("Rounding"));
    let sum: i64 = rows.iter().map(|row| cents(&row[1])).sum();
    assert_eq!(sum, cents(&paper.tables[0].totals[0].value));
}

/// Reads a file again: of each page, the texts that stand on it, as they would be copied.
mod reader {
    use std::collections::BTreeMap;

    /// The texts of each page, in order.
    pub(super) fn pages(file: &[u8]) -> Vec<Vec<String>> {
        let streams = streams(file);
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let all: Vec<String> = streams.iter().map(text).collect();
        // In the order of their fonts: the regular weight is written first.
        let maps: Vec<_> = all.iter().filter(|it| it.contains("beginbfchar")).collect();
        let maps: Vec<_> = maps.iter().map(|it| letters(it)).collect();
        let drawn = streams.iter().filter(|it| it.starts_with(b"BT"));
        drawn.map(|page| texts(page, &maps)).collect()
    }

    fn streams(file: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut rest = file;
        while let Some(at) = find(rest, b"\nstream\n") {
            rest = &rest[at + 8..];
            let end = find(rest, b"\nendstream").expect("it ends");
            let bytes = miniz_oxide::inflate::decompress_to_vec_zlib(&rest[..end]);
            found.push(bytes.expect("it is whole"));
            rest = &rest[end..];
        }
        found
    }

    fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
        bytes.windows(part.len()).position(|window| window == part)
    }

    /// What each code stands for, from lines such as `<0001> <0041>`.
    fn letters(map: &str) -> BTreeMap<u16, char> {
        let code = |text: &str| u16::from_str_radix(text.trim_matches(['<', '>']), 16);
        let pairs = map.lines().filter_map(|line| {
            let (from, to) = line.split_once(' ')?;
            let letter = char::decode_utf16([code(to).ok()?]).next()?.ok()?;
            Some((code(from).ok()?, letter))
        });
        pairs.collect()
    }

    /// Texts between `BT` and `ET`, each with its font.
    fn texts(page: &[u8], maps: &[BTreeMap<u16, char>]) -> Vec<String> {
        let mut found = Vec::new();
        let mut rest = page;
        while let Some(at) = find(rest, b" Tf\n") {
            let font = find(&rest[..at], b"/S ").map_or(0, |_| 1);
            rest = &rest[at + 4..];
            let start = find(rest, b"Td\n").expect("it has a place") + 3;
            let (codes, used) = string(&rest[start..]);
            let letter = |pair: &[u8]| maps[font][&u16::from_be_bytes([pair[0], pair[1]])];
            found.push(codes.chunks_exact(2).map(letter).collect());
            rest = &rest[start + used..];
        }
        found
    }

    /// A string, in either form that files have them in, and how long it was.
    fn string(bytes: &[u8]) -> (Vec<u8>, usize) {
        if bytes[0] == b'<' {
            let end = find(bytes, b">").expect("it ends");
            let digits = std::str::from_utf8(&bytes[1..end]).expect("digits");
            let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("a byte");
            return ((0..digits.len()).step_by(2).map(byte).collect(), end);
        }
        let (mut codes, mut at, mut depth) = (Vec::new(), 1, 1);
        loop {
            match bytes[at] {
                b'\\' => {
                    at += 1;
                    codes.push(match bytes[at] {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 8,
                        b'f' => 12,
                        b'0'..=b'7' => {
                            let octal = std::str::from_utf8(&bytes[at..at + 3]).expect("digits");
                            at += 2;
                            u8::from_str_radix(octal, 8).expect("a byte")
                        }
                        other => other,
                    });
                }
                b'(' => {
                    depth += 1;
                    codes.push(b'(');
                }
                b')' if depth == 1 => return (codes, at),
                b')' => {
                    depth -= 1;
                    codes.push(b')');
                }
                other => codes.push(other),
            }
            at += 1;
        }
    }
}
