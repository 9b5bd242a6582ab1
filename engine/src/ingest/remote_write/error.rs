//! Errors of decoding remote-write requests.

/// Error of decoding a remote-write request; the whole request is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The declared size of the snappy block exceeds the limit.
    #[error("the uncompressed request has {decoded} bytes; the limit is {limit}")]
    TooLarge {
        /// Size that the block declares.
        decoded: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// The request has more parts of one kind than its size explains.
    #[error("the request has more than {limit} {what}; send smaller requests")]
    TooManyParts {
        /// Kind of the parts, in the plural.
        what: &'static str,
        /// Limit of their number.
        limit: usize,
    },
    /// The body is not a snappy block.
    #[error("the body is not a snappy block (the framed format is not remote write): {problem}")]
    Snappy {
        /// Message of the decoder.
        problem: String,
    },
    /// The message has the other version; decoded as declared it would be empty.
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
    /// A field tag is invalid.
    #[error("the protobuf message has the invalid field tag {tag}")]
    Tag {
        /// The tag as read.
        tag: u64,
    },
    /// A varint has more than 64 bits.
    #[error("the protobuf message has a number of more than 64 bits")]
    Varint,
    /// A field has a wire type that its definition does not allow.
    #[error("protobuf field {field} has the wrong wire type")]
    Type {
        /// Number of the field.
        field: u32,
    },
    /// The symbol table of a 2.0 message does not start with the empty string.
    #[error("the symbol table does not start with an empty string")]
    Symbols,
    /// A 2.0 series has an odd number of label references.
    #[error("a series has {count} label references, expected an even number")]
    OddReferences {
        /// Number of references.
        count: usize,
    },
    /// A reference is outside the symbol table.
    #[error("label reference {reference} is outside the request's {symbols} symbols")]
    Reference {
        /// The reference.
        reference: u64,
        /// Number of symbols.
        symbols: usize,
    },
}
