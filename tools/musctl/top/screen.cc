// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/top/screen.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "musctl/exit_code.h"

// Macros instead of functions would take names such as move() and clear() away.
#define NCURSES_NOMACROS
#include <curses.h>
#include <term.h>

namespace mus::ctl {
namespace {

constexpr std::array kFaults{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum Pair : short { kPairGood = 1, kPairWarn, kPairBad };

SCREEN* screen = nullptr;

// What a signal handler needs to give the terminal back, made beforehand.
termios saved_terminal;
std::array<char, 256> leave_sequence;
std::size_t leave_length = 0;

void on_fault(int number) {
  // endwin() is not safe here. Writing what it would write is.
  [[maybe_unused]] ssize_t written = ::write(STDOUT_FILENO, leave_sequence.data(), leave_length);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &saved_terminal);
  ::signal(number, SIG_DFL);
  ::raise(number);
}

void prepare_for_faults() {
  ::tcgetattr(STDIN_FILENO, &saved_terminal);
}

void arm_for_faults() {
  leave_length = 0;
  for (const char* name : {"rmkx", "sgr0", "cnorm", "rmcup"}) {
    const char* sequence = ::tigetstr(name);
    if (!sequence || sequence == reinterpret_cast<const char*>(-1)) continue;
    std::size_t length = std::strlen(sequence);
    if (leave_length + length > leave_sequence.size()) break;
    std::memcpy(leave_sequence.data() + leave_length, sequence, length);
    leave_length += length;
  }
  for (int number : kFaults)
    ::signal(number, on_fault);
}

/// `text` for a terminal whose locale has no characters of several bytes: one '?' for each.
std::string plain(const std::string& text) {
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) out += c;
    if (byte >= 0xc0) out += '?';
  }
  return out;
}

attr_t attribute(Style style) {
  switch (style) {
    case Style::kPlain:
      return A_NORMAL;
    case Style::kBold:
      return A_BOLD;
    case Style::kDim:
      return A_DIM;
    case Style::kGood:
      return A_BOLD | static_cast<attr_t>(COLOR_PAIR(kPairGood));
    case Style::kWarn:
      return A_BOLD | static_cast<attr_t>(COLOR_PAIR(kPairWarn));
    case Style::kBad:
      return A_BOLD | static_cast<attr_t>(COLOR_PAIR(kPairBad));
    case Style::kHeader:
      return A_UNDERLINE;
    case Style::kSelected:
      return A_REVERSE;
  }
  return A_NORMAL;
}

}  // namespace

Result<std::unique_ptr<Screen>> Screen::make(bool colour) {
  const std::string remedy = "for scripts there is: musctl top --once";
  if (!::isatty(STDIN_FILENO) || !::isatty(STDOUT_FILENO))
    return fail("top needs a terminal", remedy, kExitUsage);
  prepare_for_faults();
  screen = ::newterm(nullptr, stdout, stdin);
  if (!screen) {
    const char* term = std::getenv("TERM");
    return fail("this terminal is not known: TERM is '" + std::string(term ? term : "") + "'", remedy,
                kExitUsage);
  }
  std::unique_ptr<Screen> made(new Screen);
  ::set_term(screen);
  arm_for_faults();
  ::cbreak();
  ::noecho();
  ::nonl();
  ::keypad(stdscr, true);
  ::nodelay(stdscr, true);
  ::set_escdelay(25);
  ::curs_set(0);
  if (colour && ::has_colors()) {
    ::start_color();
    ::use_default_colors();
    ::init_pair(kPairGood, COLOR_GREEN, -1);
    ::init_pair(kPairWarn, COLOR_YELLOW, -1);
    ::init_pair(kPairBad, COLOR_RED, -1);
  }
  return made;
}

Screen::~Screen() {
  ::endwin();
  ::delscreen(screen);
  screen = nullptr;
  for (int number : kFaults)
    ::signal(number, SIG_DFL);
}

std::size_t Screen::width() const {
  return static_cast<std::size_t>(std::max(0, ::getmaxx(stdscr)));
}
std::size_t Screen::height() const {
  return static_cast<std::size_t>(std::max(0, ::getmaxy(stdscr)));
}

void Screen::resize() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
    ::resizeterm(size.ws_row, size.ws_col);
  ::clearok(stdscr, true);
}

void Screen::show(const std::vector<Line>& text) {
  ::werase(stdscr);
  for (std::size_t y = 0; y < text.size(); ++y) {
    ::wmove(stdscr, static_cast<int>(y), 0);
    for (const Span& span : text[y]) {
      ::wattrset(stdscr, static_cast<int>(attribute(span.style)));
      std::string shown = MB_CUR_MAX > 1 ? span.text : plain(span.text);
      ::waddnstr(stdscr, shown.c_str(), static_cast<int>(shown.size()));
    }
  }
  ::wattrset(stdscr, A_NORMAL);
  ::wrefresh(stdscr);
}

std::optional<KeyPress> Screen::key() {
  switch (int code = ::wgetch(stdscr)) {
    case ERR:
      return std::nullopt;
    case KEY_UP:
      return KeyPress{Key::kUp};
    case KEY_DOWN:
      return KeyPress{Key::kDown};
    case KEY_LEFT:
      return KeyPress{Key::kLeft};
    case KEY_RIGHT:
      return KeyPress{Key::kRight};
    case KEY_PPAGE:
      return KeyPress{Key::kPageUp};
    case KEY_NPAGE:
      return KeyPress{Key::kPageDown};
    case KEY_HOME:
      return KeyPress{Key::kHome};
    case KEY_END:
      return KeyPress{Key::kEnd};
    case KEY_ENTER:
    case '\r':
    case '\n':
      return KeyPress{Key::kEnter};
    case KEY_BACKSPACE:
    case 127:
    case '\b':
      return KeyPress{Key::kBackspace};
    case 27:
      return KeyPress{Key::kEscape};
    default:
      return KeyPress{Key::kCharacter, code > 0 && code < 127 ? static_cast<char>(code) : '\0'};
  }
}

}  // namespace mus::ctl
