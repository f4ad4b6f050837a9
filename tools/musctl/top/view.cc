// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/top/view.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "musctl/text.h"

namespace mus::ctl {
namespace {

struct Column {
  const char* title;
  std::size_t width;
  int need;  ///< in a narrow terminal, columns of a higher number are left out first
  std::string (*cell)(const CgroupFigures&);
};

std::string figure(const std::optional<double>& value, int decimals) {
  if (!value) return "-";
  // Columns are narrow: a large figure keeps its place by having fewer digits behind the point.
  double size = std::abs(*value);
  return fixed(*value, size >= 9999 ? 0 : size >= 99 ? std::min(decimals, 1) : decimals);
}
std::string share(const std::optional<double>& fraction) {
  return fraction ? percent(*fraction) : "-";
}

constexpr std::array kColumns{
    Column{"WEIGHT", 6, 0,
           [](const CgroupFigures& c) {
             if (c.path == "/" || c.weight == 0) return std::string("- ");
             return std::to_string(c.weight) + (c.set ? "*" : " ");
           }},
    Column{"PROM%", 5, 2, [](const CgroupFigures& c) { return share(c.promised); }},
    Column{"REAL%", 5, 1, [](const CgroupFigures& c) { return share(c.share); }},
    Column{"LAG ms", 7, 3, [](const CgroupFigures& c) { return figure(c.lag_ms, 1); }},
    Column{"TASKS", 5, 6, [](const CgroupFigures& c) { return std::to_string(c.runnable); }},
    Column{"WAIT50", 6, 7, [](const CgroupFigures& c) { return figure(c.wait_p50_ms, 2); }},
    Column{"WAIT99", 6, 4, [](const CgroupFigures& c) { return figure(c.wait_p99_ms, 2); }},
    Column{"ms/s", 6, 5, [](const CgroupFigures& c) { return fixed(c.cpu_ms_per_s, 0); }},
};
constexpr std::size_t kNarrowestName = 14;

/// The columns that fit beside a name of at least kNarrowestName columns, and what is left for the name.
struct Layout {
  std::vector<const Column*> columns;
  std::size_t name_width = 0;
};
Layout lay_out(std::size_t width) {
  Layout layout;
  for (int most_needed = static_cast<int>(kColumns.size()); most_needed >= 0; --most_needed) {
    layout.columns.clear();
    std::size_t taken = 0;
    for (const Column& column : kColumns) {
      if (column.need >= most_needed) continue;
      layout.columns.push_back(&column);
      taken += column.width + 1;
    }
    layout.name_width = width > taken ? width - taken : 0;
    if (layout.name_width >= kNarrowestName) break;
  }
  return layout;
}

std::string table_row(const Layout& layout, const std::string& name, auto&& cell_of) {
  std::string text = pad(shorten(name, layout.name_width), layout.name_width);
  for (const Column* column : layout.columns)
    text += " " + pad(cell_of(*column), column->width, true);
  return text;
}

std::string titles(const Layout& layout) {
  return table_row(layout, "CGROUP", [](const Column& column) { return std::string(column.title); });
}

std::string cells(const Layout& layout, const TopModel::Row& row) {
  return table_row(layout, row_name(row, layout.name_width),
                   [&](const Column& column) { return column.cell(*row.cgroup); });
}

Line cut(const Line& line, std::size_t width) {
  Line out;
  for (const Span& span : line) {
    if (width == 0) break;
    std::string text = clip(span.text, width);
    width -= std::min(width, columns(text));
    out.push_back({std::move(text), span.style});
  }
  return out;
}

Style style_of(const CgroupFigures& cgroup) {
  // Clearly less than promised while it is owed time and has work: what somebody looking for trouble looks for.
  bool starved = cgroup.runnable > 0 && cgroup.promised && cgroup.share &&
                 *cgroup.share < 0.8 * *cgroup.promised && cgroup.lag_ms.value_or(0) > 20;
  if (starved) return Style::kWarn;
  return cgroup.set ? Style::kBold : Style::kPlain;
}

const std::array kHelp{
    "up down, k j     move            PgUp PgDn Home End",
    "left right space fold or unfold the cgroup (in the tree)",
    "s                sort by: tree, share, lag, wait",
    "+ -              weight of the cgroup up or down by 25 %, at once",
    "=                give it a weight: a number, or +50%, x2",
    "u                unset: cpu.weight counts again",
    "p                pause; what comes meanwhile is not shown",
    "h ?              this help;  q  quit",
    "",
    "WEIGHT  * if set through mus, else that of cpu.weight",
    "PROM%   of the machine: what its weight entitles it to now",
    "REAL%   of the machine: what it got. Both with the cgroups below it",
    "LAG ms  CPU time that it is owed (or has had too much: -) in its parent",
    "TASKS   that run or want to, directly in it",
    "WAIT50, WAIT99  ms from runnable to running: median, 99th percentile",
    "ms/s    CPU time that it used",
};

}  // namespace

std::string row_name(const TopModel::Row& row, std::size_t width) {
  // A deep cgroup is indented less in a narrow terminal: its name must stay readable.
  std::size_t indent = std::min(2 * row.depth, width > 12 ? width - 12 : 0);
  const char* fold = row.collapsed ? "+ " : row.has_children ? "- " : "  ";
  return std::string(indent, ' ') + fold + printable(row.name);
}

std::vector<Line> head_lines(const TopModel& model, const ViewState& state) {
  const Snapshot& now = model.snapshot();
  auto optional = [](const std::optional<double>& value) {
    return value ? fixed(*value, 1) : std::string("-");
  };
  std::string mode = state.connected ? printable(now.mode) : "no connection";
  Style style = !state.connected         ? Style::kBad
                : now.mode == "userland" ? Style::kGood
                : now.mode == "fallback" ? Style::kWarn
                                         : Style::kBad;
  Line first{{"mus ", Style::kBold}, {mode, style}};
  std::string rest =
      "  policy " + printable(now.policy.empty() ? "-" : now.policy) + "  CPUs " + std::to_string(now.cpus);
  if (!state.kernel.empty()) rest += "  kernel " + printable(state.kernel);
  first.push_back({rest});
  if (state.paused) first.push_back({"  paused", Style::kWarn});
  Line second{{"decisions/s " + fixed(now.decisions_per_s, 0) + "  userland " +
               optional(now.userland_percent) + " %  daemon " + optional(now.daemon_cpu_percent) +
               " % CPU  tasks " + std::to_string(now.tasks) + " held " + std::to_string(now.held) +
               " queued " + std::to_string(now.queued)}};
  if (now.dropped) second.push_back({"  missed " + std::to_string(now.dropped), Style::kWarn});
  return {first, second};
}

std::vector<std::string> table_lines(const TopModel& model) {
  std::size_t width = columns("CGROUP");
  for (const auto& row : model.rows())
    width = std::max(width, columns(row_name(row, 1000)));
  Layout layout = lay_out(10000);
  layout.name_width = width;
  std::vector<std::string> lines{titles(layout)};
  for (const auto& row : model.rows())
    lines.push_back(cells(layout, row));
  return lines;
}

std::vector<Line> render(const TopModel& model, const ViewState& state, std::size_t width, std::size_t height,
                         std::size_t& first_row) {
  std::vector<Line> lines = head_lines(model, state);
  lines.push_back({{state.message, state.message_style}});
  const std::string keys = "q quit  h help  s sort: " + std::string(sort_name(model.sort())) +
                           "  space fold  + - weight  = set  u unset  p pause";
  Layout layout = lay_out(width);
  if (state.help) {
    for (const char* text : kHelp)
      lines.push_back({{text}});
  } else {
    lines.push_back({{titles(layout), Style::kHeader}});
    std::size_t room = height > lines.size() + 1 ? height - lines.size() - 1 : 0;
    if (model.selected() < first_row) first_row = model.selected();
    if (room > 0 && model.selected() >= first_row + room) first_row = model.selected() - room + 1;
    if (first_row + room > model.rows().size())
      first_row = model.rows().size() > room ? model.rows().size() - room : 0;
    for (std::size_t i = first_row; i < std::min(model.rows().size(), first_row + room); ++i) {
      const auto& row = model.rows()[i];
      lines.push_back(
          {{cells(layout, row), i == model.selected() ? Style::kSelected : style_of(*row.cgroup)}});
    }
    if (model.rows().empty() && room > 0) lines.push_back({{"  no cgroup ran or wanted to", Style::kDim}});
  }
  if (height > 0) {
    lines.resize(height - 1);
    if (!state.prompt.empty())
      lines.push_back({{state.prompt, Style::kBold}});
    else
      lines.push_back({{state.help ? "any key: back" : keys, Style::kDim}});
  } else {
    lines.clear();
  }
  for (Line& line : lines)
    line = cut(line, width);
  return lines;
}

}  // namespace mus::ctl
