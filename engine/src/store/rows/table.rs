//! The macro `table!`, which declares a row type with the description of its table.

/// Declares a row type and its table. Each column is declared once:
///
/// `field [in column]: Type = "comment" [unit "…"] [flat "…"] [added n] [default "SQL literal"];`
///
/// `in` is the column's name if it differs from the field's; `flat` is the name in flat rows, where `""` omits the
/// column; `added` is the schema version of a column that was added after its table. `@computed` columns exist only in
/// the view.
///
/// The second form, `impl Row`, describes a struct that is declared elsewhere: `column: Type = … from path;`, and
/// `@read` builds the row from local variables named after the columns.
macro_rules! table {
    (
        $(#[$meta:meta])*
        pub struct $row:ident in $name:literal since $since:literal, $comment:literal
            $(, hidden [$($hidden:ident: $hidden_type:ident),+])?;
        $($field:ident $(in $column:ident)?: $type:ty = $text:literal $(unit $unit:literal)? $(flat $flat:literal)?
            $(added $added:literal)? $(default $default:literal)?;)+
        $(@computed $computed:ident: bool = $computed_text:literal sql $sql:literal from $compute:expr;)*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $row {
            $(#[doc = concat!($text $(, ", ", $unit)?)] pub $field: $type,)+
        }

        table! {
            @describe $row, $name, $since, $comment, [$($($hidden: $hidden_type),+)?];
            $($field, (table!(@name $field $($column)?)), [$field], $type, $text, [$($unit)?], [$($flat)?], [$($added)?],
              [$($default)?];)+
            @computed [$($computed, $computed_text, $sql, $compute;)*]
            @read ($row { $($field),+ })
        }
    };
    (
        impl $row:ident in $name:literal since $since:literal, $comment:literal;
        $($column:ident: $type:ty = $text:literal $(unit $unit:literal)? $(flat $flat:literal)? $(added $added:literal)?
            $(default $default:literal)? from $($path:ident).+;)+
        @read $build:expr
    ) => {
        table! {
            @describe $row, $name, $since, $comment, [];
            $($column, (stringify!($column)), [$($path).+], $type, $text, [$($unit)?], [$($flat)?], [$($added)?],
              [$($default)?];)+
            @computed []
            @read ($build)
        }
    };
    (
        @describe $row:ident, $name:literal, $since:literal, $comment:literal, [$($hidden:ident: $hidden_type:ident),*];
        $($local:ident, ($column:expr), [$($path:ident).+], $type:ty, $text:literal, [$($unit:literal)?],
          [$($flat:literal)?], [$($added:literal)?], [$($default:literal)?];)+
        @computed [$($computed:ident, $computed_text:literal, $sql:literal, $compute:expr;)*]
        @read ($build:expr)
    ) => {
        impl $crate::store::rows::TableRow for $row {
            const TABLE: &'static $crate::store::rows::Table = &$crate::store::rows::Table {
                name: $name,
                comment: $comment,
                columns: &[
                    $($crate::store::rows::Column {
                        name: $column,
                        column_type: <$type as $crate::store::rows::descriptor::CellType>::TYPE,
                        nullable: <$type as $crate::store::rows::descriptor::CellType>::NULLABLE,
                        comment: $text,
                        unit: table!(@or [$($unit)?] ""),
                        flat: table!(@or [$($flat)?] $column),
                        added: table!(@or [$($added)?] 0),
                        default: table!(@or [$($default)?] ""),
                        computed: "",
                    },)+
                    $($crate::store::rows::Column {
                        name: stringify!($computed),
                        column_type: $crate::store::rows::ColumnType::Flag,
                        nullable: false,
                        comment: $computed_text,
                        unit: "",
                        flat: stringify!($computed),
                        added: 0,
                        default: "",
                        computed: $sql,
                    },)*
                ],
                source: $crate::store::rows::descriptor::Source::Rows,
                hidden: &[$((stringify!($hidden), $crate::store::rows::ColumnType::$hidden_type)),*],
                since: $since,
            };

            fn cell(&self, column: usize) -> $crate::store::rows::Cell<'_> {
                const CELLS: &[fn(&$row) -> $crate::store::rows::Cell<'_>] = &[
                    $(|row| $crate::store::rows::descriptor::CellType::cell(&row.$($path).+),)+
                    $(|row| $crate::store::rows::Cell::Flag($compute(row)),)*
                ];
                CELLS.get(column).map_or($crate::store::rows::Cell::Null, |cell| cell(self))
            }
        }

        impl $crate::store::rows::descriptor::StoredRow for $row {
            fn read(cells: &dyn $crate::store::rows::descriptor::Cells) -> Result<Self, $crate::store::StoreError> {
                let mut next = 0;
                $(
                    let $local = <$type as $crate::store::rows::descriptor::CellType>::read(cells, next)?;
                    next += 1;
                )+
                let _ = next;
                Ok($build)
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $column:ident) => { stringify!($column) };
    (@or [] $default:expr) => { $default };
    (@or [$given:literal] $default:expr) => { $given };
}

pub(super) use table;
