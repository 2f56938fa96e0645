//! A paper as PDF: pages of text that can be selected, with only the letters it uses.

use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, TextStr};

use super::Paper;
use super::face::{BadFace, Objects, Weight};
use super::layout::{PAGE_HEIGHT, PAGE_WIDTH, lay_out};

/// How hard to try when making streams small: as hard as is usual.
const DEFLATE_LEVEL: u8 = 6;

/// The paper as a file.
///
/// # Errors
/// [`BadFace`], which is a bug.
pub(crate) fn pdf(paper: &Paper) -> Result<Vec<u8>, BadFace> {
    let (pages, weights) = lay_out(paper)?;
    let mut pdf = Pdf::new();
    let mut last = 0;
    let mut next = || {
        last += 1;
        Ref::new(last)
    };
    let (catalog, tree, info) = (next(), next(), next());
    let fonts = weights.map(|weight| {
        let objects = Objects {
            font: next(),
            descendant: next(),
            descriptor: next(),
            program: next(),
            maps: [next(), next()],
        };
        (weight, objects)
    });
    let places: Vec<(Ref, Ref)> = pages.iter().map(|_| (next(), next())).collect();

    let mut root = pdf.catalog(catalog);
    root.pages(tree).lang(TextStr("en"));
    root.viewer_preferences().display_doc_title(true);
    root.finish();
    let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
    pdf.pages(tree)
        .kids(places.iter().map(|(page, _)| *page))
        .count(count);
    for ((page, content), drawn) in places.into_iter().zip(pages) {
        write_page(&mut pdf, (page, content, tree), drawn, &fonts);
    }
    for (weight, objects) in &fonts {
        weight.write(&mut pdf, objects)?;
    }
    let title = paper.facts.first().map(|(_, number)| number.as_str());
    let title = format!("{} {}", paper.title, title.unwrap_or_default());
    let author = paper.from.first().map(String::as_str).unwrap_or_default();
    pdf.document_info(info)
        .title(TextStr(&title))
        .author(TextStr(author))
        .producer(TextStr("Farebox"));
    Ok(pdf.finish())
}

fn write_page(
    pdf: &mut Pdf,
    (page, content, tree): (Ref, Ref, Ref),
    drawn: Content,
    fonts: &[(Weight, Objects); 2],
) {
    let mut written = pdf.page(page);
    written
        .parent(tree)
        .media_box(Rect::new(0.0, 0.0, PAGE_WIDTH, PAGE_HEIGHT))
        .contents(content);
    let mut resources = written.resources();
    let mut named = resources.fonts();
    for (weight, objects) in fonts {
        named.pair(Name(weight.resource.as_bytes()), objects.font);
    }
    named.finish();
    resources.finish();
    written.finish();
    let drawn = deflated(&drawn.finish());
    pdf.stream(content, &drawn).filter(Filter::FlateDecode);
}

/// The bytes made small, as the filter `FlateDecode` reads them.
pub(super) fn deflated(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, DEFLATE_LEVEL)
}
