//! A typeface: how wide its letters are, and the part of it that a paper uses.
//!
//! Noto Sans has Latin, Greek and Cyrillic letters with their accents. A letter that it lacks (such
//! as a Chinese one) is shown as an empty box; the text behind it is right all the same, so that it
//! is found, copied and read aloud.

use std::collections::BTreeMap;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Finish, Name, Pdf, Rect, Ref, Str};
use subsetter::GlyphRemapper;
use ttf_parser::{Face, GlyphId};

use super::pdf::deflated;

const REGULAR: &[u8] = include_bytes!("../../fonts/NotoSans-Regular.ttf");
const STRONG: &[u8] = include_bytes!("../../fonts/NotoSans-SemiBold.ttf");
const ADOBE_IDENTITY: SystemInfo<'static> = SystemInfo {
    registry: Str(b"Adobe"),
    ordering: Str(b"Identity"),
    supplement: 0,
};

/// The font file that this program was built with is broken: a bug.
#[derive(Debug, thiserror::Error)]
#[error("the typeface {0} cannot be used")]
pub(crate) struct BadFace(&'static str);

/// One weight of the typeface, and the letters that a paper has of it.
pub(super) struct Weight {
    /// As the file is told which one it sets in.
    pub(super) resource: &'static str,
    name: &'static str,
    bytes: &'static [u8],
    face: Face<'static>,
    /// The letters, each with its code in the file, from 1.
    used: BTreeMap<char, u16>,
}

/// What a weight takes of a file: five objects.
pub(super) struct Objects {
    pub(super) font: Ref,
    pub(super) descendant: Ref,
    pub(super) descriptor: Ref,
    pub(super) program: Ref,
    pub(super) maps: [Ref; 2],
}

impl Weight {
    pub(super) fn regular() -> Result<Self, BadFace> {
        Self::of("R", "FAREBX+NotoSans-Regular", REGULAR)
    }

    pub(super) fn strong() -> Result<Self, BadFace> {
        Self::of("S", "FAREBX+NotoSans-SemiBold", STRONG)
    }

    fn of(
        resource: &'static str,
        name: &'static str,
        bytes: &'static [u8],
    ) -> Result<Self, BadFace> {
        Ok(Weight {
            resource,
            name,
            bytes,
            face: Face::parse(bytes, 0).map_err(|_| BadFace(name))?,
            used: BTreeMap::new(),
        })
    }

    /// How wide a text is, in thousandths of its size.
    pub(super) fn width(&self, text: &str) -> f32 {
        text.chars().map(|letter| self.advance(letter)).sum()
    }

    fn advance(&self, letter: char) -> f32 {
        let width = self.face.glyph_hor_advance(self.glyph(letter));
        self.scaled(f32::from(width.unwrap_or_default()))
    }

    fn scaled(&self, units: f32) -> f32 {
        units * 1_000.0 / f32::from(self.face.units_per_em())
    }

    fn glyph(&self, letter: char) -> GlyphId {
        self.face.glyph_index(letter).unwrap_or_default()
    }

    /// The text as the file has it: two bytes a letter.
    pub(super) fn encode(&mut self, text: &str) -> Vec<u8> {
        let mut codes = Vec::new();
        for letter in text.chars() {
            let next = u16::try_from(self.used.len() + 1).unwrap_or(u16::MAX);
            let code = *self.used.entry(letter).or_insert(next);
            codes.extend(code.to_be_bytes());
        }
        codes
    }

    /// Writes the part of the typeface that was used.
    pub(super) fn write(&self, pdf: &mut Pdf, at: &Objects) -> Result<(), BadFace> {
        let mut remapper = GlyphRemapper::new();
        // By code, which begins with 1: code 0 is no letter's.
        let mut letters: Vec<(u16, char)> = self
            .used
            .iter()
            .map(|(letter, code)| (*code, *letter))
            .collect();
        letters.sort_unstable();
        let mut glyphs = vec![0, 0];
        let mut unicode = UnicodeCmap::new(Name(b"Custom"), ADOBE_IDENTITY);
        for (code, letter) in &letters {
            glyphs.extend(remapper.remap(self.glyph(*letter).0).to_be_bytes());
            unicode.pair(*code, *letter);
        }
        let program = subsetter::subset(self.bytes, 0, &remapper);
        let program = program.map_err(|_| BadFace(self.name))?;

        let name = Name(self.name.as_bytes());
        pdf.type0_font(at.font)
            .base_font(name)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(at.descendant)
            .to_unicode(at.maps[0]);
        let mut descendant = pdf.cid_font(at.descendant);
        descendant
            .subtype(CidFontType::Type2)
            .base_font(name)
            .system_info(ADOBE_IDENTITY)
            .font_descriptor(at.descriptor)
            .default_width(0.0)
            .cid_to_gid_map_stream(at.maps[1]);
        let widths = letters.iter().map(|(_, letter)| self.advance(*letter));
        descendant.widths().consecutive(1, widths);
        descendant.finish();
        self.write_descriptor(pdf, at, name);
        let (program, glyphs) = (deflated(&program), deflated(&glyphs));
        let unicode = deflated(&unicode.finish());
        for (id, bytes) in [
            (at.program, program),
            (at.maps[0], unicode),
            (at.maps[1], glyphs),
        ] {
            pdf.stream(id, &bytes)
                .filter(pdf_writer::Filter::FlateDecode);
        }
        Ok(())
    }

    fn write_descriptor(&self, pdf: &mut Pdf, at: &Objects, name: Name<'_>) {
        let scaled = |units: i16| self.scaled(f32::from(units));
        let bounds = self.face.global_bounding_box();
        let capitals = self.face.capital_height().unwrap_or(self.face.ascender());
        pdf.font_descriptor(at.descriptor)
            .name(name)
            .flags(FontFlags::NON_SYMBOLIC)
            .bbox(Rect::new(
                scaled(bounds.x_min),
                scaled(bounds.y_min),
                scaled(bounds.x_max),
                scaled(bounds.y_max),
            ))
            .italic_angle(0.0)
            .ascent(scaled(self.face.ascender()))
            .descent(scaled(self.face.descender()))
            .cap_height(scaled(capitals))
            .stem_v(80.0)
            .font_file2(at.program);
    }
}
