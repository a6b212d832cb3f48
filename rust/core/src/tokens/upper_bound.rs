//! A bound from the characters alone, for models that publish no tokenizer.

use super::counter::{Exactness, TokenCounter};

/// Never counts less than the vocabularies that come with the library. Its rules:
///
/// * a character by itself has at most as many tokens as bytes in UTF-8, so capitals and punctuation of
///   ASCII count one each; the bound of a text may still exceed its bytes, since a number behind a character
///   beyond ASCII counts one more;
/// * numbers are cut into groups of three digits, each of which is a token;
/// * a run of spaces is merged by doubling: one token and at most one more for every eight, and its
///   last space may go to what follows;
/// * small letters of ASCII: where two neighbours would be a token they are not left as two, so that a
///   word has at most as many tokens as it has parts of which no two single letters make a token;
/// * a character beyond ASCII counts as many tokens as the worst of its neighbours does alone.
///
/// The last rule is an observation, no theorem, and the tests look for texts that break it.
pub struct UpperBound;

impl TokenCounter for UpperBound {
    fn name(&self) -> &'static str {
        "upper_bound"
    }

    fn exactness(&self) -> Exactness {
        Exactness::UpperBound
    }

    fn count(&self, text: &str) -> u64 {
        let mut total = Total::default();
        text.chars().for_each(|character| total.add(character));
        total.tokens()
    }

    fn adds_up_at_walls(&self) -> bool {
        true
    }

    fn truncate<'text>(&self, text: &'text str, limit: u64) -> &'text str {
        let mut total = Total::default();
        let mut fits = 0;
        for (at, character) in text.char_indices() {
            if total.tokens() <= limit {
                fits = at;
            }
            total.add(character);
            // A letter can lower the bound of what comes before it by one at most.
            if total.tokens() > limit.saturating_add(1) {
                return &text[..fits];
            }
        }
        if total.tokens() <= limit { text } else { &text[..fits] }
    }
}

/// The bound of a text so far: finished parts and the run at its end.
#[derive(Default)]
struct Total {
    finished: u64,
    run: Run,
    /// Whether the character before the run is beyond ASCII, and may share its group of digits.
    after_foreign: bool,
}

#[derive(Clone, Copy, Default)]
enum Run {
    #[default]
    None,
    Spaces(u64),
    Digits(u64),
    /// Small letters, perhaps after one space: the most parts if the last is a single letter, if it
    /// is not, and without the last letter.
    Letters {
        last: u8,
        single: u64,
        longer: u64,
        before: u64,
    },
}

impl Run {
    fn tokens(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Spaces(1) => 1,
            // The last one may go to what follows.
            Self::Spaces(spaces) => 2 + spaces / 8,
            Self::Digits(digits) => digits.div_ceil(3),
            Self::Letters { single, longer, .. } => single.max(longer),
        }
    }
}

impl Total {
    fn tokens(&self) -> u64 {
        self.finished + self.run.tokens()
    }

    fn add(&mut self, character: char) {
        let run = match (self.run, character) {
            (Run::Spaces(spaces), ' ') => Some(Run::Spaces(spaces + 1)),
            (Run::Digits(digits), '0'..='9') => Some(Run::Digits(digits + 1)),
            (Run::Letters { last, single, longer, before: earlier }, 'a'..='z') => {
                let next = character as u8;
                let before = single.max(longer);
                let alone = if make_a_token(last, next) { longer } else { before };
                Some(Run::Letters { last: next, single: alone + 1, longer: earlier + 1, before })
            }
            _ => None,
        };
        if let Some(run) = run {
            self.run = run;
            return;
        }
        // The last space leads the word that follows it.
        if let (Run::Spaces(spaces), 'a'..='z') = (self.run, character) {
            if spaces > 1 {
                self.finished += 1 + spaces / 8;
            }
            self.run = Run::Letters { last: character as u8, single: 1, longer: 1, before: 1 };
            return;
        }
        self.finished += self.run.tokens();
        let foreign = std::mem::replace(&mut self.after_foreign, !character.is_ascii());
        self.run = match character {
            ' ' => Run::Spaces(1),
            '0'..='9' => {
                self.finished += u64::from(foreign);
                Run::Digits(1)
            }
            'a'..='z' => Run::Letters { last: character as u8, single: 1, longer: 0, before: 0 },
            _ => {
                self.finished += alone(character);
                Run::None
            }
        };
    }
}

fn make_a_token(first: u8, second: u8) -> bool {
    PAIRS[usize::from(first - b'a')] >> (second - b'a') & 1 == 1
}

/// The most tokens of a character and of those around it, each by itself.
fn alone(character: char) -> u64 {
    let code = character as u32;
    let row = (code >> 6) as usize;
    match character.len_utf8() {
        2 => 2,
        3 if ROWS_OF_TWO[row >> 6] >> (row & 63) & 1 == 1 => 2,
        3 => 3,
        4 => 4,
        _ => 1,
    }
}

/// Bit k of entry n: letter n and letter k after it are one token in every vocabulary.
const PAIRS: [u32; 26] = [
    0x3ff_ffff, 0x3fe_ffff, 0x3ff_ffff, 0x3ff_ffff, 0x3ff_ffff, 0x1ff_fdff, 0x3fe_f9ff, 0x3ff_fdff,
    0x3ff_ffff, 0x01f_ffbf, 0x17e_ffff, 0x3fe_ffff, 0x1ff_ffff, 0x3fe_ffff, 0x3fe_ffff, 0x3ff_ffff,
    0x0df_b99f, 0x3ff_fdff, 0x3ff_ffff, 0x3fe_fdff, 0x3fe_ffff, 0x1fe_ffff, 0x1de_ffff, 0x38e_f93f,
    0x3de_fddf, 0x3dc_fdbf,
];

/// Bit k of entry n: no character of row 64 * n + k, 64 characters each, takes more than two tokens.
const ROWS_OF_TWO: [u64; 16] = [
    0x37ff_cff0_0000_0000,
    0x0c00_0000_c000_0009,
    0x0000_0000_73f2_0377,
    0x0000_0000_0000_002f,
    0xff00_0000_0000_0000,
    0xff87_e0bf_b87b_ffeb,
    0x1fff_f02b_fff6_ff1b,
    0x7c36_fff6_3e31_c312,
    0xe0ff_e7ce_0201_bf8f,
    0x4800_024f_3ffc_108f,
    0x03af_0000_0000_0000,
    0x014d_86eb_c019_ac34,
    0x0245_00d1_7fe0_0c7c,
    0x0000_0000_0320_141a,
    0x0000_0000_0000_0000,
    0xf100_0000_0000_0004,
];
