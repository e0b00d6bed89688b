// An SQLite database of unknown origin, read and never written: plain tables only, so that nothing
// in it is run that only looks like a table.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rooftop::import {

class SqliteDatabase {
 public:
  // Throws InputError. `name` stands for the database in errors.
  static SqliteDatabase open(const std::string& path);
  static SqliteDatabase open(std::span<const std::byte> bytes, std::string name);

  // Columns of a table; none where there is no such table.
  [[nodiscard]] std::vector<std::string> columns(std::string_view table) const;

  [[nodiscard]] sqlite3* handle() const { return database_.get(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  // Throws InputError with SQLite's own message.
  [[noreturn]] void fail() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  SqliteDatabase(sqlite3* database, std::string name);
  void protect();

  std::unique_ptr<sqlite3, Close> database_;
  std::string name_;
};

// The rows of a table: `wanted` columns in this order. Where the table lacks a column, its cells
// are absent.
class SqliteRows {
 public:
  // `condition` is SQL of ours, empty for none.
  SqliteRows(const SqliteDatabase& database, std::string_view table,
             std::span<const std::string_view> wanted, std::string_view condition = {});

  // False at the end. Throws InputError where the database is damaged.
  bool next();

  [[nodiscard]] bool present(std::size_t column) const;
  [[nodiscard]] std::int64_t integer(std::size_t column) const;  // 0 where absent
  [[nodiscard]] std::uint32_t small(std::size_t column) const;   // 0 where absent or beyond 32 bits
  [[nodiscard]] double real(std::size_t column) const;
  [[nodiscard]] std::string_view text(std::size_t column) const;  // valid until next()

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  const SqliteDatabase& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  std::vector<int> at_;  // column of the result, -1 where the table has none
};

}  // namespace rooftop::import
