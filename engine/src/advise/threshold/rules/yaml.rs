//! Parses YAML into a tree with the text and line of every scalar, and writes it back.
//!
//! Typed parsing would reject the whole file at the first field of an unexpected type. The tree confines an error to
//! its rule.

use granit_parser::{Event, Parser, ScalarStyle};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

/// Maximum nesting depth.
const MAX_DEPTH: usize = 64;
/// Maximum number of nodes of a file after its aliases are expanded.
const MAX_NODES: usize = 1_000_000;

/// A node of a YAML document.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) struct YamlNode {
    /// Line from 1; 0 for a node that was not parsed.
    pub(super) line: usize,
    pub(super) value: YamlValue,
}

/// Content of a node.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) enum YamlValue {
    Null,
    /// A scalar. `plain`: written without quotes, so that it may be a number or a boolean.
    Text {
        text: String,
        plain: bool,
    },
    List(Vec<YamlNode>),
    Map(Vec<(String, YamlNode)>),
    /// Placeholder for the groups of the rule file in this range of indices, end excluded.
    Groups(usize, usize),
}

impl YamlNode {
    pub(super) fn new(value: YamlValue) -> Self {
        Self { line: 0, value }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::new(YamlValue::Text { text: text.into(), plain: false })
    }

    /// Returns a field of a mapping.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match &self.value {
            YamlValue::Map(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        match &mut self.value {
            YamlValue::Map(fields) => fields.iter_mut().find(|(key, _)| key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Returns the text of a scalar.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Names the kind of node, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            YamlValue::Null => "empty",
            YamlValue::Text { .. } => "text",
            YamlValue::List(_) | YamlValue::Groups(..) => "a list",
            YamlValue::Map(_) => "a mapping",
        }
    }

    fn size(&self) -> usize {
        match &self.value {
            YamlValue::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            YamlValue::Map(fields) => 1 + fields.iter().map(|(_, node)| node.size()).sum::<usize>(),
            _ => 1,
        }
    }
}

impl Serialize for YamlNode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            YamlValue::Null | YamlValue::Groups(..) => serializer.serialize_unit(),
            YamlValue::Text { text, plain: true } => match text.as_str() {
                "true" => serializer.serialize_bool(true),
                "false" => serializer.serialize_bool(false),
                // A number that would be written in another notation stays text.
                number => match (number.parse::<i64>(), number.parse::<f64>()) {
                    (Ok(whole), _) if whole.to_string() == number => serializer.serialize_i64(whole),
                    (_, Ok(value)) if value.is_finite() && value.to_string() == number => {
                        serializer.serialize_f64(value)
                    }
                    _ => serializer.serialize_str(number),
                },
            },
            YamlValue::Text { text, .. } => serializer.serialize_str(text),
            YamlValue::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            YamlValue::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, node) in fields {
                    map.serialize_entry(key, node)?;
                }
                map.end()
            }
        }
    }
}

/// A collection whose end has not been parsed.
struct OpenCollection {
    anchor: usize,
    line: usize,
    is_map: bool,
    items: Vec<YamlNode>,
    fields: Vec<(String, YamlNode)>,
    key: Option<String>,
}

/// Parses the documents of a file, without empty ones.
///
/// # Errors
/// A message with line and column.
pub(super) fn documents(text: &str) -> Result<Vec<YamlNode>, String> {
    let mut found = Vec::new();
    let mut open: Vec<OpenCollection> = Vec::new();
    let mut anchors: std::collections::HashMap<usize, YamlNode> = std::collections::HashMap::new();
    let mut nodes = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| at(error.marker().line(), error.marker().col() + 1, &error.info()))?;
        let (line, column) = (span.start.line(), span.start.col() + 1);
        let wrong = |message: &str| at(line, column, message);
        let done = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let is_null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null { YamlValue::Null } else { YamlValue::Text { text: text.into_owned(), plain } };
                Some((anchor, YamlNode { line, value }))
            }
            Event::SequenceStart(_, anchor, _) | Event::MappingStart(_, anchor, _) => {
                if open.len() >= MAX_DEPTH {
                    return Err(wrong(&format!("it is nested deeper than {MAX_DEPTH} levels")));
                }
                let is_map = matches!(event, Event::MappingStart(..));
                open.push(OpenCollection { anchor, line, is_map, items: Vec::new(), fields: Vec::new(), key: None });
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|open| {
                let value = if open.is_map { YamlValue::Map(open.fields) } else { YamlValue::List(open.items) };
                (open.anchor, YamlNode { line: open.line, value })
            }),
            Event::Alias(anchor) => {
                let node = anchors.get(&anchor).cloned().ok_or_else(|| wrong("an alias refers to no anchor"))?;
                // Expanded aliases count, which limits exponential expansion.
                nodes += node.size();
                Some((0, node))
            }
            Event::DocumentStart(..) => {
                anchors.clear();
                None
            }
            _ => None,
        };
        let Some((anchor, node)) = done else { continue };
        nodes += 1;
        if nodes > MAX_NODES {
            return Err(wrong(&format!("it has more than {MAX_NODES} nodes")));
        }
        if anchor > 0 {
            anchors.insert(anchor, node.clone());
        }
        match open.last_mut() {
            None if node.value == YamlValue::Null => {}
            None => found.push(node),
            Some(parent) if !parent.is_map => parent.items.push(node),
            Some(parent) => match parent.key.take() {
                Some(key) => insert(&mut parent.fields, key, node),
                None => match node.value {
                    YamlValue::Text { text, .. } => parent.key = Some(text),
                    YamlValue::Null => parent.key = Some(String::new()),
                    _ => return Err(wrong("the key of a mapping is not text")),
                },
            },
        }
    }
    Ok(found)
}

/// Adds a field to a mapping. The merge key `<<` adds the missing fields of the mappings that it refers to.
fn insert(fields: &mut Vec<(String, YamlNode)>, key: String, node: YamlNode) {
    if key != "<<" {
        fields.push((key, node));
        return;
    }
    let merged = match node.value {
        YamlValue::Map(_) => vec![node],
        YamlValue::List(items) => items,
        _ => Vec::new(),
    };
    for node in merged {
        let YamlValue::Map(others) = node.value else { continue };
        for (key, value) in others {
            if !fields.iter().any(|(there, _)| *there == key) {
                fields.push((key, value));
            }
        }
    }
}

fn at(line: usize, column: usize, message: &str) -> String {
    format!("line {line}, column {column}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_and_written_with_its_type() {
        let text = "a: 1\nb: '1'\nc: [true, x, 1.50, ~]\nd: {e: |-\n    two\n    lines\n  }\n";
        let text = text.replace("d: {e: |-\n    two\n    lines\n  }", "d:\n  e: |-\n    two\n    lines");
        let found = documents(&text).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].get("d").and_then(|d| d.get("e")).and_then(YamlNode::as_text), Some("two\nlines"));
        let written = serde_saphyr::to_string(&found[0]).unwrap();
        let again = documents(&written).unwrap();
        let plain = |node: &YamlNode, name: &str| node.get(name).map(|node| node.value.clone());
        for name in ["a", "b"] {
            assert_eq!(plain(&again[0], name), plain(&found[0], name), "{written}");
        }
        assert_eq!(again[0].get("c").map(YamlNode::kind), Some("a list"));
    }

    #[test]
    fn anchors_merges_and_several_documents() {
        let text = "x: &base {a: 1, b: 2}\ny: {<<: *base, b: 3}\n---\n---\nz: *none\n";
        assert!(documents(text).unwrap_err().starts_with("line 5"), "{:?}", documents(text));
        let text = text.replace("z: *none", "z: 1");
        let found = documents(&text).unwrap();
        assert_eq!(found.len(), 2);
        let merged = found[0].get("y").unwrap();
        assert_eq!(merged.get("a").and_then(YamlNode::as_text), Some("1"));
    }

    #[test]
    fn invalid_yaml_is_rejected_with_its_position() {
        for text in ["a: [", "a: b: c", "{{ include \"x\" . }}", "a: \"b"] {
            let message = documents(text).unwrap_err();
            assert!(message.starts_with("line ") && !message.contains('\n'), "{text}: {message}");
        }
        let bomb = format!(
            "a0: &a0 [1]\n{}",
            (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect::<String>()
        );
        assert!(documents(&bomb).is_err());
        assert!(documents(&"[".repeat(1_000)).is_err());
    }
}
