//! What gives points, and how many.

use super::Source;
use super::text::is_white_space;

/// The lists, steps and thresholds that a query is judged by. The default is the documented table.
///
/// In every keyword list, `|` separates spellings of one keyword.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Words that ask for deep work.
    pub expert_keywords: Vec<String>,
    /// Points for each different expert keyword.
    pub expert_points: u32,
    /// Words that ask for connections.
    pub complex_keywords: Vec<String>,
    /// Points for each different complex keyword.
    pub complex_points: u32,
    /// Terms of a demanding field.
    pub domain_keywords: Vec<String>,
    /// Points for each different domain keyword.
    pub domain_points: u32,
    /// Most points that all domain keywords together can give.
    pub domain_points_limit: u32,
    /// Word counts from which a query earns one more point each; strictly increasing.
    pub length_steps: Vec<u64>,
    /// A history longer than this gives points.
    pub history_length_above: f64,
    /// Points for a long history.
    pub history_points: u32,
    /// More turns than this give points.
    pub turn_count_above: f64,
    /// Points for many turns.
    pub turn_points: u32,
    /// Points for needing retrieval.
    pub retrieval_points: u32,
    /// Least points of medium, complex and expert; non-decreasing.
    pub level_thresholds: [u32; 3],
}

impl Default for Rules {
    fn default() -> Self {
        let list = |keywords: &[&str]| keywords.iter().map(ToString::to_string).collect();
        Self {
            expert_keywords: list(&[
                "explain",
                "analyze",
                "compare",
                "evaluate",
                "synthesize",
                "architecture",
                "design",
                "optimize",
                "debug",
                "implement",
            ]),
            expert_points: 2,
            complex_keywords: list(&[
                "how",
                "why",
                "what if",
                "difference",
                "relationship",
                "between",
                "impact",
                "effect",
                "cause",
            ]),
            complex_points: 1,
            domain_keywords: list(&[
                "scalable|scalability",
                "microservice",
                "event-driven",
                "distributed",
                "fault-tolerant",
                "high-availability",
                "consensus",
                "sharding",
                "replication",
                "concurrency",
                "multi-tenant",
            ]),
            domain_points: 1,
            domain_points_limit: 3,
            length_steps: vec![5, 20, 50],
            history_length_above: 5.0,
            history_points: 1,
            turn_count_above: 3.0,
            turn_points: 1,
            retrieval_points: 2,
            level_thresholds: [2, 5, 8],
        }
    }
}

/// A rule that no query can be judged by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {expected}, got {value}")]
pub struct RuleError {
    /// The field of [`Rules`].
    pub field: &'static str,
    /// What was refused, shortened.
    pub value: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

/// Most characters of a refused value that an error shows.
const SHOWN_CHARACTERS: usize = 80;

fn refuse(field: &'static str, value: &str, expected: &'static str) -> RuleError {
    let value = match value.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_string(),
    };
    RuleError { field, value, expected }
}

impl Rules {
    /// Refuses what no query can be judged by.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        let lists = [
            ("expert_keywords", &self.expert_keywords),
            ("complex_keywords", &self.complex_keywords),
            ("domain_keywords", &self.domain_keywords),
        ];
        for (field, keywords) in lists {
            for keyword in keywords {
                let expected = if keyword.chars().all(is_gap) {
                    "keywords with at least one letter"
                } else {
                    "keywords whose spellings, separated by |, have at least one letter each"
                };
                if spellings(keyword).any(|spelling| spelling.chars().all(is_gap)) {
                    return Err(refuse(field, &format!("{keyword:?}"), expected));
                }
            }
        }
        if !self.length_steps.is_sorted_by(|earlier, later| earlier < later) {
            let value = format!("{:?}", self.length_steps);
            return Err(refuse("length_steps", &value, "strictly increasing word counts"));
        }
        let limits = [
            ("history_length_above", self.history_length_above),
            ("turn_count_above", self.turn_count_above),
        ];
        for (field, limit) in limits {
            if !(limit.is_finite() && limit >= 0.0) {
                return Err(refuse(field, &limit.to_string(), "a finite number of at least 0"));
            }
        }
        if !self.level_thresholds.is_sorted() {
            let value = format!("{:?}", self.level_thresholds);
            return Err(refuse("level_thresholds", &value, "points that do not decrease"));
        }
        Ok(())
    }

    /// The list that keywords of a source stand in.
    pub(super) fn keywords(&self, source: Source) -> &[String] {
        match source {
            Source::ExpertKeyword => &self.expert_keywords,
            Source::ComplexKeyword => &self.complex_keywords,
            Source::DomainKeyword => &self.domain_keywords,
            Source::Length | Source::Context => &[],
        }
    }
}

/// The spellings of a listed keyword, as written.
pub(super) fn spellings(keyword: &str) -> impl Iterator<Item = &str> {
    keyword.split('|')
}

/// Whether a character of a keyword only separates its words.
pub(super) fn is_gap(character: char) -> bool {
    character == '-' || is_white_space(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(rules: &Rules) -> (&'static str, String) {
        let error = rules.check().unwrap_err();
        (error.field, error.value)
    }

    #[test]
    fn the_documented_rules_are_valid() {
        assert_eq!(Rules::default().check(), Ok(()));
        let bare = Rules { domain_keywords: vec![], length_steps: vec![], ..Rules::default() };
        assert_eq!(bare.check(), Ok(()));
    }

    #[test]
    fn blank_keywords_and_spellings_are_named() {
        for blank in ["", " \u{a0}", "|", "design|", "a||b", " - "] {
            let rules = Rules { domain_keywords: vec![blank.into()], ..Rules::default() };
            assert_eq!(refused(&rules), ("domain_keywords", format!("{blank:?}")));
        }
    }

    #[test]
    fn disordered_steps_and_thresholds_are_named() {
        let rules = Rules { length_steps: vec![5, 5], ..Rules::default() };
        assert_eq!(refused(&rules), ("length_steps", "[5, 5]".into()));
        let rules = Rules { level_thresholds: [2, 1, 8], ..Rules::default() };
        assert_eq!(refused(&rules), ("level_thresholds", "[2, 1, 8]".into()));
        let equal = Rules { level_thresholds: [2, 2, 2], ..Rules::default() };
        assert_eq!(equal.check(), Ok(()));
    }

    #[test]
    fn impossible_limits_are_named() {
        for limit in [f64::NAN, f64::INFINITY, -1.0] {
            let rules = Rules { history_length_above: limit, ..Rules::default() };
            assert_eq!(refused(&rules).0, "history_length_above");
            let rules = Rules { turn_count_above: limit, ..Rules::default() };
            assert_eq!(refused(&rules).0, "turn_count_above");
        }
    }

    #[test]
    fn long_values_are_shortened() {
        let rules = Rules { expert_keywords: vec!["é".repeat(500) + "|"], ..Rules::default() };
        let (_, value) = refused(&rules);
        assert_eq!(value.chars().count(), SHOWN_CHARACTERS + 3);
    }
}
