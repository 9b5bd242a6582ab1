// Checks pgJDBC on a service: Jdbc.java HOST PORT TOKEN. Prints a line `ok …` for each check.
import java.sql.*;
import java.util.*;

public class Jdbc {
    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
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
            try (ResultSet result = meta.getSchemas()) {
                check(result.next(), "schemas");
            }
            try (ResultSet result = meta.getPrimaryKeys(null, "public", "samples")) {
                check(!result.next(), "primary keys");
            }
            try (ResultSet result = meta.getTypeInfo()) {
                check(result.next(), "types");
            }
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
            System.out.println("ok pgjdbc fetch size");
        }
    }
}
