//! DuckDB's type names for the columns of an answer.

use arrow::datatypes::{DataType, TimeUnit};

/// Returns DuckDB's name of the type that it exports as this Arrow type.
pub(super) fn type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Null => "NULL",
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "UTINYINT",
        DataType::UInt16 => "USMALLINT",
        DataType::UInt32 => "UINTEGER",
        DataType::UInt64 => "UBIGINT",
        DataType::Float32 => "FLOAT",
        DataType::Float64 => "DOUBLE",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "BLOB",
        DataType::Date32 | DataType::Date64 => "DATE",
        DataType::Time32(_) | DataType::Time64(_) => "TIME",
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE",
        DataType::Timestamp(TimeUnit::Second, None) => "TIMESTAMP_S",
        DataType::Timestamp(TimeUnit::Millisecond, None) => "TIMESTAMP_MS",
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP",
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "TIMESTAMP_NS",
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL",
        // DuckDB exports HUGEINT as the widest decimal without a fraction.
        DataType::Decimal128(38, 0) => "HUGEINT",
        DataType::Decimal32(width, scale)
        | DataType::Decimal64(width, scale)
        | DataType::Decimal128(width, scale)
        | DataType::Decimal256(width, scale) => return format!("DECIMAL({width},{scale})"),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            return format!("{}[]", type_name(item.data_type()));
        }
        DataType::FixedSizeList(item, length) => return format!("{}[{length}]", type_name(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{} {}", field.name(), type_name(field.data_type()))).collect();
            return format!("STRUCT({})", fields.join(", "));
        }
        DataType::Map(entries, _) => {
            return match entries.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => {
                    format!("MAP({}, {})", type_name(fields[0].data_type()), type_name(fields[1].data_type()))
                }
                other => format!("MAP({})", type_name(other)),
            };
        }
        DataType::Dictionary(_, values) => return type_name(values),
        other => return other.to_string().to_uppercase(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_types_are_named_as_duckdb_names_them() {
        let list = DataType::new_list(DataType::Int64, true);
        assert_eq!(type_name(&list), "BIGINT[]");
        assert_eq!(type_name(&DataType::Timestamp(TimeUnit::Millisecond, None)), "TIMESTAMP_MS");
        assert_eq!(type_name(&DataType::Decimal128(10, 2)), "DECIMAL(10,2)");
    }
}
