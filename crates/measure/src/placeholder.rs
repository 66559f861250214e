//! Placeholders in queries.

/// What the placeholders of a query stand for.
///
/// A value is `None` where it doesn't exist, such as the live color during a first install; a query
/// that asks for it is then refused instead of asking about a color called "".
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Variables {
    /// `$(color)`: the candidate's color.
    pub color: Option<String>,
    /// `$(revision)`: the candidate's revision.
    pub revision: Option<String>,
    /// `$(role)`: `candidate` or `live`.
    pub role: Option<String>,
    /// `$(service)`: the traffic Service.
    pub service: Option<String>,
    /// `$(namespace)`: the Rollout's namespace.
    pub namespace: Option<String>,
    /// `$(rollout)`: the Rollout's name.
    pub rollout: Option<String>,
    /// `$(liveColor)`: the live color.
    pub live_color: Option<String>,
    /// `$(candidateService)`: the role Service that leads to the candidate.
    pub candidate_service: Option<String>,
}

/// The placeholders there are, in the order in which messages list them.
const KNOWN: [&str; 8] =
    ["color", "liveColor", "revision", "role", "service", "candidateService", "namespace", "rollout"];

impl Variables {
    fn get(&self, name: &str) -> Result<&str, PlaceholderError> {
        let value = match name {
            "color" => &self.color,
            "liveColor" => &self.live_color,
            "revision" => &self.revision,
            "role" => &self.role,
            "service" => &self.service,
            "candidateService" => &self.candidate_service,
            "namespace" => &self.namespace,
            "rollout" => &self.rollout,
            _ => return Err(PlaceholderError::Unknown { name: name.to_owned() }),
        };
        value.as_deref().ok_or_else(|| PlaceholderError::Absent { name: name.to_owned() })
    }
}

/// Why a query can't be asked as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// There is no such placeholder.
    #[error("the query has an unknown placeholder $({name}); known are {}", known())]
    Unknown {
        /// The name between the parentheses.
        name: String,
    },
    /// A `$(` without its `)`.
    #[error("the query has a placeholder without its closing parenthesis: $({rest}")]
    Unclosed {
        /// What follows, shortened.
        rest: String,
    },
    /// The value doesn't exist at this time.
    #[error("the query uses $({name}), which has no value now: use it only where there is one")]
    Absent {
        /// The placeholder.
        name: String,
    },
    /// The value would change what the query means.
    #[error(
        "the value {value:?} of $({name}) would change the query where it stands: put the placeholder into a label value between double quotes"
    )]
    Unquotable {
        /// The placeholder.
        name: String,
        /// Its value.
        value: String,
    },
}

fn known() -> String {
    KNOWN.map(|name| format!("$({name})")).join(", ")
}

/// Fills the placeholders of a query.
///
/// Where a value stands decides how it is escaped: inside quotes by PromQL's rules for that quote;
/// elsewhere (in a metric's name, in a raw string) nothing can be escaped, so only values that can't
/// mean anything else are let in. Inside a regular expression a value is not escaped as one: a point
/// in a Rollout's name then matches any character.
pub fn render_query(template: &str, variables: &Variables) -> Result<String, PlaceholderError> {
    render(template, |name| variables.get(name))
}

/// Checks a query's placeholders before there is anything to fill them with.
pub fn check_query(template: &str) -> Result<(), PlaceholderError> {
    let stand_in = |name: &str| {
        let known = KNOWN.contains(&name);
        known.then_some("x").ok_or_else(|| PlaceholderError::Unknown { name: name.to_owned() })
    };
    render(template, stand_in).map(drop)
}

/// Longest piece of a query in a message.
const SHOWN: usize = 40;

fn render<'v>(
    template: &str,
    value_of: impl Fn(&str) -> Result<&'v str, PlaceholderError>,
) -> Result<String, PlaceholderError> {
    let mut rendered = String::with_capacity(template.len());
    let mut place = Place::Code;
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("$(") {
        place = place.after(before);
        let shown = |text: &str| text.chars().take(SHOWN).collect::<String>();
        let (name, following) =
            after.split_once(')').ok_or_else(|| PlaceholderError::Unclosed { rest: shown(after) })?;
        let value = value_of(name).map_err(|error| match error {
            PlaceholderError::Unknown { name } => PlaceholderError::Unknown { name: shown(&name) },
            other => other,
        })?;
        let unquotable = || PlaceholderError::Unquotable {
            name: name.to_owned(),
            value: value.chars().take(SHOWN).collect(),
        };
        rendered.push_str(before);
        rendered.push_str(&place.quote(value).ok_or_else(unquotable)?);
        rest = following;
    }
    rendered.push_str(rest);
    Ok(rendered)
}

/// Where in a query a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside strings.
    Code,
    /// After `#`, up to the end of the line.
    Comment,
    /// In a string with escapes, and its quote.
    Quoted(char),
    /// In such a string, right after its escape sign.
    Escape(char),
    /// In a string between backticks, which knows no escapes.
    Raw,
}

impl Place {
    /// The place behind some more of the query.
    fn after(self, text: &str) -> Self {
        text.chars().fold(self, Self::step)
    }

    fn step(self, character: char) -> Self {
        match (self, character) {
            (Self::Code, '"' | '\'') => Self::Quoted(character),
            (Self::Code, '`') => Self::Raw,
            (Self::Code, '#') => Self::Comment,
            (Self::Quoted(quote), '\\') => Self::Escape(quote),
            (Self::Quoted(quote), _) if character == quote => Self::Code,
            (Self::Escape(quote), _) => Self::Quoted(quote),
            (Self::Raw, '`') | (Self::Comment, '\n') => Self::Code,
            _ => self,
        }
    }

    /// The value as it must be written here; `None` if it can't be.
    fn quote(self, value: &str) -> Option<String> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match self {
            Self::Quoted(quote) => Some(escape(value, quote)),
            Self::Escape(_) => None,
            Self::Raw => (!value.contains(['`', '\n', '\r'])).then(|| value.to_owned()),
            Self::Comment => (!value.contains(['\n', '\r'])).then(|| value.to_owned()),
            Self::Code => value.bytes().all(is_name).then(|| value.to_owned()),
        }
    }
}

fn escape(value: &str, quote: char) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\\' => escaped.push_str("\\\\"),
            _ if character == quote => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}
