// Checks pgJDBC on a service: Jdbc.java HOST PORT TOKEN. Prints a line `ok …` for each check.
import java.sql.*;
import java.util.*;

public class Jdbc {
    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static List<String> names(ResultSet result, String column) throws SQLException {
        List<String> names = new ArrayList<>();
        while (result.next()) names.add(result.getString(column));
        result.close();
        return names;
    }

    public static void main(String[] args) throws Exception {
        String url = "jdbc:postgresql://" + args[0] + ":" + args[1] + "/almanac";
        try (Connection connection = DriverManager.getConnection(url, "anyone", args[2])) {
            // More than five executions: the driver then prepares on the server and asks for binary results.
            String sql = "SELECT x.timestamp, x.value, x.series_id, s.name, s.labels FROM samples x JOIN series s USING (series_id)"
                + " WHERE x.value >= ? AND s.name = ? ORDER BY 1";
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                for (int run = 0; run < 8; run++) {
                    statement.setDouble(1, 50.0);
                    statement.setString(2, "cpu");
                    int rows = 0;
                    try (ResultSet result = statement.executeQuery()) {
                        while (result.next()) {
                            check(result.getDouble(2) == 50.0 + rows, "value");
                            check(result.getTimestamp(1) != null && result.getLong(3) >= 0, "timestamp");
                            check(result.getString(5).contains("api"), "labels");
                            rows++;
                        }
                    }
                    check(rows == 10, "rows " + rows);
                }
            }
            System.out.println("ok pgjdbc statements");
            DatabaseMetaData meta = connection.getMetaData();
            List<String> views = new ArrayList<>();
            try (ResultSet result = meta.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"})) {
                while (result.next()) views.add(result.getString("TABLE_NAME"));
            }
            check(views.contains("samples") && views.contains("series"), views.toString());
            List<String> columns = new ArrayList<>();
            try (ResultSet result = meta.getColumns(null, "public", "samples", "%")) {
                while (result.next()) columns.add(result.getString("COLUMN_NAME") + " " + result.getString("TYPE_NAME"));
            }
            check(columns.equals(List.of("series_id int8", "timestamp timestamp", "value float8")), columns.toString());
            check(names(meta.getSchemas(), "TABLE_SCHEM").contains("public"), "schemas");
            check(names(meta.getSchemas(null, "pub%"), "TABLE_SCHEM").equals(List.of("public")), "schemas like a pattern");
            check(names(meta.getCatalogs(), "TABLE_CAT").equals(List.of("almanac")), "catalogs");
            check(names(meta.getTableTypes(), "TABLE_TYPE").contains("VIEW"), "table types");
            check(names(meta.getTables(null, null, "samp%", null), "TABLE_NAME").equals(List.of("samples")), "tables like a pattern");
            check(names(meta.getColumns(null, "public", "series", "lab%"), "COLUMN_NAME").equals(List.of("labels")), "columns like a pattern");
            check(names(meta.getTypeInfo(), "TYPE_NAME").containsAll(List.of("int8", "float8", "timestamp", "json", "text")), "types");
            for (ResultSet none : List.of(meta.getPrimaryKeys(null, "public", "samples"), meta.getIndexInfo(null, "public", "samples", false, true),
                    meta.getImportedKeys(null, "public", "samples"), meta.getExportedKeys(null, "public", "samples"),
                    meta.getCrossReference(null, "public", "samples", null, "public", "series"),
                    meta.getBestRowIdentifier(null, "public", "samples", DatabaseMetaData.bestRowSession, true),
                    meta.getProcedures(null, "public", "%"),
                    meta.getFunctions(null, "public", "%"), meta.getTablePrivileges(null, "public", "nothing"),
                    meta.getColumnPrivileges(null, "public", "nothing", "%"), meta.getUDTs(null, "public", "%", null))) {
                check(!none.next(), "an empty list");
                none.close();
            }
            check(meta.getDatabaseProductVersion().equals("15.0") && connection.getCatalog().equals("almanac"), "product");
            check(connection.getSchema().equals("public") && connection.isValid(5), "session");
            System.out.println("ok pgjdbc metadata");
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(7);
                int rows = 0;
                try (ResultSet result = statement.executeQuery("SELECT value FROM samples ORDER BY timestamp")) {
                    while (result.next()) rows++;
                }
                check(rows == 60, "fetched " + rows);
            }
            connection.rollback();
            try (Statement statement = connection.createStatement()) {
                statement.executeUpdate("DELETE FROM samples");
                throw new AssertionError("a write was accepted");
            } catch (SQLException error) {
                check("25006".equals(error.getSQLState()), error.getSQLState());
            }
            connection.rollback();
            try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int[], ?::timestamp, ?::text, ARRAY['a', NULL]")) {
                statement.setArray(1, connection.createArrayOf("int4", new Integer[] {1, 2}));
                statement.setTimestamp(2, Timestamp.valueOf("2026-01-02 03:04:05"));
                statement.setNull(3, Types.VARCHAR);
                try (ResultSet result = statement.executeQuery()) {
                    check(result.next() && Arrays.equals((Object[]) result.getArray(1).getArray(), new Integer[] {1, 2}), "array");
                    check(result.getTimestamp(2).equals(Timestamp.valueOf("2026-01-02 03:04:05")), "timestamp");
                    check(result.getString(3) == null && ((Object[]) result.getArray(4).getArray())[1] == null, "NULL");
                }
            }
            System.out.println("ok pgjdbc fetch size");
        }
    }
}
