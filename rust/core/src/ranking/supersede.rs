//! A memory that names the one it replaces drops it, if both are candidates.

use super::smooth::NONE;

/// By whom each candidate is replaced: the row of the first that names it, or [`NONE`].
///
/// * `identity`: per candidate a number of its own id, small ones rather; candidates of one id share it;
/// * `replaces`: the number of the id it names, or [`NONE`].
///
/// Chains drop all but the newest. Where names lead in a circle nobody is newer, and nobody of the circle
/// is dropped for it. Who names itself names nobody.
#[must_use]
pub fn superseded(identity: &[u32], replaces: &[u32]) -> Vec<u32> {
    let ids = identity.iter().map(|&id| id as usize + 1).max().unwrap_or(0);
    let mut is_candidate = vec![false; ids];
    for &id in identity {
        is_candidate[id as usize] = true;
    }
    let names_somebody =
        |id: u32, name: u32| name != id && is_candidate.get(name as usize) == Some(&true);
    // Of several candidates of one id, the last one's name counts where names lead in circles.
    let mut next = vec![NONE; ids];
    for (&id, &name) in identity.iter().zip(replaces) {
        if names_somebody(id, name) {
            next[id as usize] = name;
        }
    }
    let on_circle = circles(&next);
    let mut dropped_by = vec![NONE; ids];
    for (row, (&id, &name)) in (0..).zip(identity.iter().zip(replaces)) {
        if names_somebody(id, name) && !(on_circle[id as usize] && next[id as usize] == name) {
            let by = &mut dropped_by[name as usize];
            *by = (*by).min(row);
        }
    }
    identity.iter().map(|&id| dropped_by[id as usize]).collect()
}

/// Which ids the names lead back to.
fn circles(next: &[u32]) -> Vec<bool> {
    const UNSEEN: u32 = u32::MAX;
    let mut seen_by = vec![UNSEEN; next.len()];
    let mut on_circle = vec![false; next.len()];
    for start in 0..next.len() {
        #[expect(clippy::cast_possible_truncation)] // ids are below 2^32
        let walk = start as u32;
        let mut at = start;
        while seen_by[at] == UNSEEN {
            seen_by[at] = walk;
            match next[at] {
                NONE => break,
                following => at = following as usize,
            }
        }
        // Came back to where this same walk has been: that is a circle. An end is its own last stop.
        if seen_by[at] == walk && next[at] != NONE {
            let mut around = at;
            while !on_circle[around] {
                on_circle[around] = true;
                around = next[around] as usize;
            }
        }
    }
    on_circle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_of_a_chain_stays() {
        assert_eq!(superseded(&[0, 1, 2, 3], &[1, 2, NONE, NONE]), [NONE, 0, 1, NONE]);
        assert_eq!(superseded(&[0, 1, 1, 2], &[1, NONE, NONE, 1]), [NONE, 0, 0, NONE]);
        assert_eq!(superseded(&[], &[]), []);
    }

    #[test]
    fn circles_drop_nobody_of_themselves() {
        assert_eq!(superseded(&[0], &[0]), [NONE]);
        assert_eq!(superseded(&[0, 1, 2], &[1, 0, NONE]), [NONE; 3]);
        assert_eq!(superseded(&[0, 1, 2, 3], &[1, 2, 0, 1]), [NONE, 3, NONE, NONE]);
        assert_eq!(superseded(&[0, 1, 2, 3], &[3, 0, 1, NONE]), [1, 2, NONE, 0]);
    }
}
