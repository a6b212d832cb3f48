//! How demanding a query is: points from its length, its keywords and its context.
//!
//! The points are a plain sum, so each of them can be named ([`Scanner::analyze`]). A [`Scanner`] is
//! made once from [`Rules`] and then only read; one pass over the query's bytes counts its words and
//! finds its keywords. How a keyword matches is told in `keyword.rs`.

mod keyword;
mod level;
mod rules;
mod text;

use std::borrow::Cow;

use keyword::{Found, KeywordTable};

pub use level::Level;
pub use rules::{RuleError, Rules};

/// What the caller knows about the conversation around a query.
///
/// A number that is absent (or NaN) gives no point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ContextSignals {
    /// Turns in the conversation's history.
    pub history_length: Option<f64>,
    /// Turns of the current exchange.
    pub turn_count: Option<f64>,
    /// The caller says outright that there were many turns: the turn points, whatever the count.
    pub multi_turn: bool,
    /// The answer needs retrieved documents.
    pub requires_retrieval: bool,
}

/// Where points come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The number of words.
    Length,
    /// One of [`Rules::expert_keywords`].
    ExpertKeyword,
    /// One of [`Rules::complex_keywords`].
    ComplexKeyword,
    /// One of [`Rules::domain_keywords`].
    DomainKeyword,
    /// The [`ContextSignals`].
    Context,
}

impl Source {
    /// The name used in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::ExpertKeyword => "expert keyword",
            Self::ComplexKeyword => "complex keyword",
            Self::DomainKeyword => "domain keyword",
            Self::Context => "context",
        }
    }
}

/// One reason for points; never zero of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution<'rules> {
    /// The kind of reason.
    pub source: Source,
    /// The keyword as listed, the context's name, or the number of words.
    pub detail: Cow<'rules, str>,
    /// Points it gives.
    pub points: u32,
}

/// A query's level, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis<'rules> {
    /// The level its points reach.
    pub level: Level,
    /// The sum of all contributions.
    pub points: u32,
    /// Words as Python's `str.split` counts them.
    pub word_count: u64,
    /// Length, then expert, complex and domain keywords in the order of their lists, then context.
    pub contributions: Vec<Contribution<'rules>>,
}

/// Compiled [`Rules`]: immutable, shared between threads without synchronisation.
#[derive(Clone, Debug)]
pub struct Scanner {
    rules: Rules,
    keywords: KeywordTable,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new(Rules::default()).expect("the documented defaults are valid rules")
    }
}

impl Scanner {
    /// Checks and compiles the rules.
    ///
    /// # Errors
    /// [`RuleError`] for the first field with a value that no query can be judged by.
    pub fn new(rules: Rules) -> Result<Self, RuleError> {
        rules.check()?;
        let keywords = KeywordTable::new(&rules);
        Ok(Self { rules, keywords })
    }

    /// The rules it was made from.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The points of a query in its context, at most `u32::MAX`.
    #[must_use]
    pub fn points(&self, query: &str, context: &ContextSignals) -> u32 {
        let scan = self.keywords.scan(query);
        self.tally(scan.word_count, &scan.found, context, |_, _, _| ())
    }

    /// The level that so many points reach.
    #[must_use]
    pub fn level(&self, points: u32) -> Level {
        let reached = self.rules.level_thresholds.iter().filter(|least| points >= **least);
        Level::ALL[reached.count()]
    }

    /// The points of a query in its context, with every reason for them.
    #[must_use]
    pub fn analyze(&self, query: &str, context: &ContextSignals) -> Analysis<'_> {
        let scan = self.keywords.scan(query);
        let mut contributions = Vec::new();
        let points = self.tally(scan.word_count, &scan.found, context, |source, detail, points| {
            let detail = match detail {
                Some(name) => Cow::Borrowed(name),
                None => Cow::Owned(format!("{} words", scan.word_count)),
            };
            contributions.push(Contribution { source, detail, points });
        });
        Analysis { level: self.level(points), points, word_count: scan.word_count, contributions }
    }

    /// Adds everything up and reports each part that counts. A part that would lift the sum over
    /// `u32::MAX` is cut, so that the parts always sum to the total.
    fn tally<'rules>(
        &'rules self,
        word_count: u64,
        found: &Found,
        context: &ContextSignals,
        mut report: impl FnMut(Source, Option<&'rules str>, u32),
    ) -> u32 {
        let rules = &self.rules;
        let mut total = 0_u32;
        let mut grant = |source, detail, points: u32| {
            let points = points.min(u32::MAX - total);
            if points != 0 {
                total += points;
                report(source, detail, points);
            }
        };

        let steps = rules.length_steps.iter().filter(|least| word_count >= **least);
        grant(Source::Length, None, u32::try_from(steps.count()).unwrap_or(u32::MAX));

        let mut domain_left = rules.domain_points_limit;
        for index in found.iter() {
            let keyword = self.keywords.keyword(index);
            let points = match keyword.source {
                Source::ExpertKeyword => rules.expert_points,
                Source::ComplexKeyword => rules.complex_points,
                _ => {
                    let points = rules.domain_points.min(domain_left);
                    domain_left -= points;
                    points
                }
            };
            let listed = &rules.keywords(keyword.source)[keyword.position];
            grant(keyword.source, Some(listed), points);
        }

        let above = |value: Option<f64>, limit: f64| value.is_some_and(|value| value > limit);
        if above(context.history_length, rules.history_length_above) {
            grant(Source::Context, Some("history_length"), rules.history_points);
        }
        if context.multi_turn || above(context.turn_count, rules.turn_count_above) {
            grant(Source::Context, Some("turn_count"), rules.turn_points);
        }
        if context.requires_retrieval {
            grant(Source::Context, Some("requires_retrieval"), rules.retrieval_points);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(query: &str) -> u32 {
        Scanner::default().points(query, &ContextSignals::default())
    }

    #[test]
    fn documented_queries_reach_their_levels() {
        let scanner = Scanner::default();
        for (query, level) in [
            ("", Level::Simple),
            ("Hello", Level::Simple),
            ("What time is it?", Level::Simple),
            ("What's my current task?", Level::Simple),
            ("How do I use FastAPI?", Level::Medium),
            ("How should I optimize the database queries?", Level::Medium),
            ("Explain the architecture", Level::Medium),
            ("Explain async vs sync programming and analyze performance impact", Level::Complex),
            (
                "Design a scalable microservices architecture with event-driven communication",
                Level::Expert,
            ),
        ] {
            let analysis = scanner.analyze(query, &ContextSignals::default());
            assert_eq!(analysis.level, level, "{query}: {analysis:?}");
        }
    }

    #[test]
    fn every_point_has_a_reason() {
        let scanner = Scanner::default();
        let query = "Design a scalable microservices architecture with event-driven communication";
        let analysis = scanner.analyze(query, &ContextSignals::default());
        let reasons: Vec<_> = analysis
            .contributions
            .iter()
            .map(|c| (c.source.name(), &*c.detail, c.points))
            .collect();
        assert_eq!(
            reasons,
            [
                ("length", "8 words", 1),
                ("expert keyword", "architecture", 2),
                ("expert keyword", "design", 2),
                ("domain keyword", "scalable|scalability", 1),
                ("domain keyword", "microservice", 1),
                ("domain keyword", "event-driven", 1),
            ]
        );
        assert_eq!((analysis.points, analysis.word_count), (8, 8));
    }

    #[test]
    fn context_gives_independent_points() {
        let scanner = Scanner::default();
        let context = |history, turns, multi_turn, requires_retrieval| {
            let signals = ContextSignals {
                history_length: history,
                turn_count: turns,
                multi_turn,
                requires_retrieval,
            };
            scanner.points("Hello", &signals)
        };
        assert_eq!(context(Some(5.0), Some(3.0), false, false), 0);
        assert_eq!(context(Some(6.0), Some(3.0), false, false), 1);
        assert_eq!(context(Some(5.0), Some(3.5), false, false), 1);
        assert_eq!(context(None, Some(4.0), true, false), 1);
        assert_eq!(context(Some(6.0), None, true, true), 4);
        assert_eq!(context(Some(f64::NAN), None, false, false), 0);
    }

    #[test]
    fn lengths_count_at_their_steps() {
        for (words, expected) in [(4, 0), (5, 1), (19, 1), (20, 2), (49, 2), (50, 3), (500, 3)] {
            assert_eq!(points(&"x ".repeat(words)), expected, "{words} words");
        }
    }

    #[test]
    fn points_saturate_and_still_add_up() {
        let scanner =
            Scanner::new(Rules { expert_points: u32::MAX - 1, ..Rules::default() }).unwrap();
        let analysis = scanner.analyze("explain, analyze, how", &ContextSignals::default());
        assert_eq!(analysis.points, u32::MAX);
        assert_eq!(
            analysis.contributions.iter().map(|c| u64::from(c.points)).sum::<u64>(),
            u64::from(u32::MAX)
        );
    }

    #[test]
    fn domain_points_stop_at_their_limit() {
        let rules = Rules { domain_points: 2, ..Rules::default() };
        let scanner = Scanner::new(rules).unwrap();
        let analysis =
            scanner.analyze("consensus sharding replication", &ContextSignals::default());
        let points: Vec<_> = analysis.contributions.iter().map(|c| c.points).collect();
        assert_eq!(points, [2, 1]);
    }
}
