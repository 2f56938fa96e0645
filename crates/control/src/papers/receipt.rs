//! What a receipt or a credit note shows.

use domain::document::DocumentKind;
use store::receipts::Document;

use super::words::{cents, day, party};
use super::{Column, Paper, Table, Total};

/// The paper of a purchase or a refund, as it was issued.
pub(crate) fn paper(document: &Document) -> Paper {
    let content = &document.content;
    let is_receipt = document.kind == DocumentKind::Receipt;
    let (title, number, date) = match is_receipt {
        true => ("Receipt", "Receipt number", "Date paid"),
        false => ("Credit note", "Credit note number", "Date issued"),
    };
    let issued_on = day(document.issued_at);
    let mut facts = vec![fact(number, &document.number), fact(date, &issued_on)];
    if let Some(receipt) = &document.of_receipt {
        facts.push(fact("Refund of receipt", receipt));
    }
    if let Some(card) = &content.paid_with {
        let method = match is_receipt {
            true => "Payment method",
            false => "Paid back to",
        };
        facts.push(fact(
            method,
            &format!("{} ending in {}", brand(&card.brand), card.last4),
        ));
    }
    if let Some(reason) = content
        .reason
        .as_deref()
        .filter(|reason| !reason.is_empty())
    {
        facts.push(fact("Reason", reason));
    }
    facts.push(fact("Currency", "US dollar (USD)"));
    let total = cents(document.total());
    let headline = match is_receipt {
        true => format!("{total} paid on {issued_on}"),
        false => format!("{total} refunded on {issued_on}"),
    };
    Paper {
        title: title.into(),
        facts,
        from: party(&content.seller),
        to: party(&content.buyer),
        headline,
        tables: vec![lines(document)],
        notes: Vec::new(),
    }
}

fn fact(label: &str, value: &str) -> (String, String) {
    (label.to_owned(), value.to_owned())
}

fn lines(document: &Document) -> Table {
    let is_receipt = document.kind == DocumentKind::Receipt;
    let lines = document.content.lines.iter();
    let rows = lines.map(|line| vec![line.description.clone(), cents(line.amount)]);
    let paid = if is_receipt {
        "Amount paid"
    } else {
        "Amount refunded"
    };
    let tax = format!("Tax ({}%)", document.content.tax_percent);
    Table {
        heading: String::new(),
        columns: vec![
            Column::text("Description", 75),
            Column::number("Amount", 25),
        ],
        rows: rows.collect(),
        totals: vec![
            Total::plain("Subtotal", cents(document.amount)),
            Total::plain(tax, cents(document.tax)),
            Total::plain("Total", cents(document.total())),
            Total::strong(paid, cents(document.total())),
        ],
    }
}

/// A card's brand as people write it.
fn brand(brand: &str) -> String {
    let known = [
        ("visa", "Visa"),
        ("mastercard", "Mastercard"),
        ("amex", "American Express"),
        ("discover", "Discover"),
        ("diners", "Diners Club"),
        ("jcb", "JCB"),
        ("unionpay", "UnionPay"),
    ];
    let known = known.iter().find(|(word, _)| *word == brand);
    known.map_or_else(|| "Card".to_owned(), |(_, name)| (*name).to_owned())
}
