//! A command line of a scenario: words, and settings of the form `name=value`.

use capataz_engine::{Attempt, Key, Span};

/// One line, taken apart.
pub(crate) struct Line {
    words: Vec<String>,
    settings: Vec<(String, String)>,
}

impl Line {
    pub(crate) fn parse(text: &str) -> Line {
        let (mut words, mut settings) = (Vec::new(), Vec::new());
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => settings.push((name.to_owned(), value.to_owned())),
                None => words.push(word.to_owned()),
            }
        }
        Line { words, settings }
    }

    /// The words as one text per word, for matching.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// Whether a bare word is there.
    pub(crate) fn says(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(n, _)| n == name)?;
        Some(&found.1)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        let text = self.text(name)?;
        Some(
            text.parse()
                .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        )
    }

    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.text(name).map(span)
    }

    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        let items = text.split(',').filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    /// All settings in one text: what makes a request different from another.
    pub(crate) fn content(&self) -> String {
        format!("{:?}", self.settings)
    }

    /// The attempt named by `task 1 attempt 2`.
    pub(crate) fn token(&self) -> (Key, Attempt) {
        (
            self.key(),
            self.after("attempt")
                .parse()
                .expect("a number after `attempt`"),
        )
    }

    /// The task or element named by `task 1` or `task 1.0`.
    pub(crate) fn key(&self) -> Key {
        key(self.after("task"))
    }

    fn after(&self, word: &str) -> &str {
        self.follows(word)
            .unwrap_or_else(|| panic!("something must follow `{word}` in {:?}", self.words))
    }

    /// The word after another.
    pub(crate) fn follows(&self, word: &str) -> Option<&str> {
        let at = self.words.iter().position(|w| w == word)?;
        self.words.get(at + 1).map(String::as_str)
    }
}

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// `90s`, `5m`, `1h`, `250ms`.
pub(crate) fn span(text: &str) -> Span {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: u64 = digits
        .parse()
        .unwrap_or_else(|_| panic!("{text} is no length of time"));
    match &text[digits.len()..] {
        "ms" => Span::millis(number),
        "s" => Span::secs(number),
        "m" => Span::secs(number * 60),
        "h" => Span::secs(number * 3_600),
        unit => panic!("{unit:?} is no unit of time"),
    }
}
