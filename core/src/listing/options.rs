//! The options of LIST and NLST, in the letters of `ls`.

/// What a client asked for with letters behind LIST or NLST.
///
/// | letter | effect | limit |
/// |---|---|---|
/// | `-a`, `-A` | also names that begin with a dot | `.` and `..` are never listed |
/// | `-l` | NLST prints the lines of LIST | LIST always does |
/// | `-1` | LIST prints names only, like NLST | `-l` behind it wins |
/// | `-d` | the entry of the directory itself, not what is in it | |
/// | `-F` | `/` behind directories, `@` behind links, `*` behind executable files | |
/// | `-R` | also what is in its directories | 16 levels, 10,000 directories, links are not followed |
/// | `-t` | newest first | sorts up to 10,000 names in [`Limits::sorted`](crate::Limits::sorted) bytes, beyond that the order of the storage |
/// | `-S` | largest first | as `-t` |
/// | `-r` | the other way round; alone: by name from z to a | as `-t` |
///
/// Without `-t` or `-S`, LIST and NLST sort by name, within the same limits.
///
/// Other letters and digits are taken and mean nothing. An argument is a group of options only if
/// everything behind its dash is a letter or a digit; `--` ends the options, and `./-x` is always
/// a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// `-a` or `-A`.
    pub all: bool,
    /// `-l`.
    pub long: bool,
    /// `-1`.
    pub names_only: bool,
    /// `-d`.
    pub itself: bool,
    /// `-F`.
    pub classify: bool,
    /// `-R`.
    pub recursive: bool,
    /// `-r`.
    pub reverse: bool,
    /// `-t` or `-S`.
    pub order: Order,
}

/// The order that the options ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By name.
    #[default]
    Name,
    /// `-t`: by time, newest first.
    Time,
    /// `-S`: by size, largest first.
    Size,
}

impl ListOptions {
    /// Splits the argument of LIST or NLST into options and the rest, which is the path. Spaces
    /// in the path are kept.
    ///
    /// ```
    /// use wharf_core::listing::ListOptions;
    ///
    /// let (options, path) = ListOptions::parse(b"-al some dir");
    /// assert!(options.all && options.long);
    /// assert_eq!(path, b"some dir");
    /// assert_eq!(ListOptions::parse(b"-not.an.option").1, b"-not.an.option");
    /// ```
    #[must_use]
    pub fn parse(argument: &[u8]) -> (Self, &[u8]) {
        let mut options = Self::default();
        let mut rest = argument;
        loop {
            let end = rest
                .iter()
                .position(|&byte| byte == b' ')
                .unwrap_or(rest.len());
            let (word, behind) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
            match word {
                b"--" => return (options, behind),
                [b'-', letters @ ..]
                    if !letters.is_empty() && letters.iter().all(u8::is_ascii_alphanumeric) =>
                {
                    letters.iter().for_each(|&letter| options.set(letter));
                    rest = behind;
                }
                _ => return (options, rest),
            }
        }
    }

    fn set(&mut self, letter: u8) {
        match letter {
            b'a' | b'A' => self.all = true,
            b'l' => (self.long, self.names_only) = (true, false),
            b'1' => self.names_only = true,
            b'd' => self.itself = true,
            b'F' => self.classify = true,
            b'R' => self.recursive = true,
            b'r' => self.reverse = true,
            b't' => self.order = Order::Time,
            b'S' => self.order = Order::Size,
            _ => {}
        }
    }

    /// Whether the entries must be collected before they are written.
    pub(crate) fn sorts(self) -> bool {
        self.reverse || self.order != Order::Name
    }
}
