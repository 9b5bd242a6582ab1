//! Why bytes are not a remote-write request.

/// Why bytes are no remote-write message; the whole request is refused and nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The snappy block says that it is larger than is taken.
    #[error("the request holds {decoded} bytes uncompressed; the limit is {limit}")]
    TooLarge {
        /// Size that the block declares.
        decoded: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The body is no snappy block.
    #[error("the body is not a snappy block (the framed format is not remote write): {problem}")]
    Snappy {
        /// What the decoder says.
        problem: String,
    },
    /// The message is of the other version: read as declared it would hold nothing.
    #[error("the message is remote write {found}, but Content-Type declares {declared}")]
    OtherVersion {
        /// The version that Content-Type declares.
        declared: &'static str,
        /// The version of the message.
        found: &'static str,
    },
    /// The message ends in the middle of a field.
    #[error("the protobuf message is truncated")]
    Truncated,
    /// A field's tag is none.
    #[error("the protobuf message holds the impossible field tag {tag}")]
    Tag {
        /// The tag as read.
        tag: u64,
    },
    /// A number has more than 64 bits.
    #[error("the protobuf message holds a number of more than 64 bits")]
    Varint,
    /// A field has a wire type that its definition does not allow.
    #[error("protobuf field {field} has the wrong wire type")]
    Type {
        /// The field's number.
        field: u32,
    },
    /// A 2.0 message whose symbol table does not begin with the empty string.
    #[error("the symbol table does not begin with an empty string")]
    Symbols,
    /// A 2.0 series with an odd number of label references.
    #[error("a series has {count} label references; they come in pairs")]
    OddReferences {
        /// How many there are.
        count: usize,
    },
    /// A reference beyond the symbol table.
    #[error("label reference {reference} is beyond the {symbols} symbols of the request")]
    Reference {
        /// The reference.
        reference: u64,
        /// How many symbols there are.
        symbols: usize,
    },
}
