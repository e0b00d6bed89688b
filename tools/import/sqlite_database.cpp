#include "tools/import/sqlite_database.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <filesystem>
#include <utility>

#include "profiler/core/error.h"

namespace rooftop::import {
namespace {

// Virtual-machine steps between two rows that no reading of a plain table needs.
constexpr int kStepsPerCheck = 100'000'000;
constexpr int kMaxValueBytes = 16 << 20;

std::string quoted(std::string_view name) { return '"' + std::string(name) + '"'; }

// The path as the file part of a URI.
std::string uri_of(const std::string& path) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string uri = "file:";
  for (const char c : std::filesystem::absolute(path).string()) {
    if (c == '%' || c == '?' || c == '#') {
      const auto byte = static_cast<unsigned char>(c);
      uri += {'%', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      uri += c;
    }
  }
  return uri + "?mode=ro&immutable=1";
}

}  // namespace

SqliteDatabase::SqliteDatabase(sqlite3* database, std::string name)
    : database_(database), name_(std::move(name)) {}

SqliteDatabase SqliteDatabase::open(const std::string& path) {
  sqlite3* raw = nullptr;
  const int status =
      sqlite3_open_v2(uri_of(path).c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr);
  SqliteDatabase database(raw, path);
  if (status != SQLITE_OK) database.fail();
  database.protect();
  return database;
}

SqliteDatabase SqliteDatabase::open(std::span<const std::byte> bytes, std::string name) {
  sqlite3* raw = nullptr;
  const int status = sqlite3_open_v2(":memory:", &raw, SQLITE_OPEN_READWRITE, nullptr);
  SqliteDatabase database(raw, std::move(name));
  if (status != SQLITE_OK) database.fail();
  auto* copy =
      static_cast<unsigned char*>(sqlite3_malloc64(std::max<std::size_t>(bytes.size(), 1)));
  if (copy == nullptr) throw std::bad_alloc();
  if (!bytes.empty()) std::memcpy(copy, bytes.data(), bytes.size());
  const auto size = static_cast<sqlite3_int64>(bytes.size());
  if (sqlite3_deserialize(raw, "main", copy, size, size,
                          SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY) !=
      SQLITE_OK) {
    database.fail();
  }
  database.protect();
  return database;
}

void SqliteDatabase::protect() {
  sqlite3* db = handle();
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, kMaxValueBytes);
  sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
}

void SqliteDatabase::fail() const {
  const char* message = handle() != nullptr ? sqlite3_errmsg(handle()) : "out of memory";
  throw InputError("'" + name_ + "' cannot be read as an SQLite database (" + message +
                   "): copy it or export it again.");
}

std::vector<std::string> SqliteDatabase::columns(std::string_view table) const {
  // Virtual tables and views are left alone, and columns that are computed do not show here.
  constexpr std::string_view kSql =
      "SELECT p.name FROM sqlite_master AS m, pragma_table_info(m.name) AS p "
      "WHERE m.type = 'table' AND m.name = ?1 AND m.sql NOT LIKE 'CREATE VIRTUAL%'";
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(handle(), kSql.data(), static_cast<int>(kSql.size()), &raw, nullptr) !=
      SQLITE_OK) {
    fail();
  }
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
  sqlite3_bind_text(raw, 1, table.data(), static_cast<int>(table.size()), SQLITE_STATIC);
  std::vector<std::string> out;
  int status = SQLITE_ROW;
  while ((status = sqlite3_step(raw)) == SQLITE_ROW) {
    const auto* name = reinterpret_cast<const char*>(sqlite3_column_text(raw, 0));
    if (name != nullptr) out.emplace_back(name);
  }
  if (status != SQLITE_DONE) fail();
  return out;
}

SqliteRows::SqliteRows(const SqliteDatabase& database, std::string_view table,
                       std::span<const std::string_view> wanted, std::string_view condition)
    : database_(database) {
  const std::vector<std::string> columns = database.columns(table);
  std::string list;
  int count = 0;
  for (const std::string_view name : wanted) {
    const bool has = std::find(columns.begin(), columns.end(), name) != columns.end();
    at_.push_back(has ? count++ : -1);
    if (has) list += (list.empty() ? "" : ", ") + quoted(name);
  }
  if (list.empty()) return;
  std::string sql = "SELECT " + list + " FROM " + quoted(table);
  if (!condition.empty()) sql += " WHERE " + std::string(condition);
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(database.handle(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
    database.fail();
  }
  statement_.reset(raw);
}

bool SqliteRows::next() {
  if (!statement_) return false;
  // Interrupts a statement that walks on without giving rows.
  sqlite3_progress_handler(
      database_.handle(), kStepsPerCheck, [](void*) { return 1; }, nullptr);
  const int status = sqlite3_step(statement_.get());
  if (status == SQLITE_ROW) return true;
  if (status != SQLITE_DONE) database_.fail();
  return false;
}

bool SqliteRows::present(std::size_t column) const {
  return at_[column] >= 0 && sqlite3_column_type(statement_.get(), at_[column]) != SQLITE_NULL;
}

std::int64_t SqliteRows::integer(std::size_t column) const {
  return at_[column] < 0 ? 0 : sqlite3_column_int64(statement_.get(), at_[column]);
}

std::uint32_t SqliteRows::small(std::size_t column) const {
  const std::int64_t value = integer(column);
  return value >= 0 && value <= UINT_MAX ? static_cast<std::uint32_t>(value) : 0;
}

double SqliteRows::real(std::size_t column) const {
  return at_[column] < 0 ? 0 : sqlite3_column_double(statement_.get(), at_[column]);
}

std::string_view SqliteRows::text(std::size_t column) const {
  if (!present(column)) return {};
  const auto* text =
      reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), at_[column]));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), at_[column]))};
}

}  // namespace rooftop::import
