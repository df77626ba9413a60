//! Text that others typed and that people will read, in lists, letters and logs.

/// Whether a character could break a line, colour a terminal or turn round what is written beside it.
///
/// Control characters, Unicode's two line ends, and the signs that set a direction for all that follows (CVE-2021-42574).
pub(crate) fn is_disruptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::is_disruptive;

    #[test]
    fn names_of_every_script_pass_and_what_breaks_a_line_does_not() {
        for name in ["Zoë O’Brien-Łukasz", "李小龍", "עדה", "أدا", "ক্ষ", "می\u{200c}خواهم", "👩\u{200d}🔬"]
        {
            assert!(!name.chars().any(is_disruptive), "{name}");
        }
        for character in
            ['\0', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2067}']
        {
            assert!(is_disruptive(character), "{character:?}");
        }
    }
}
