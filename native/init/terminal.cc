#include "terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "report.h"

namespace skillbox {

Status open_terminal(const ProcessPlan& process, int control, Fd* slave) {
  const Fd master(open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master) return failure("terminal", "open", "/dev/pts/ptmx");
  const int unlocked = 0;
  if (ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0) return failure("terminal", "TIOCSPTLCK");
  winsize size = {};
  size.ws_row = process.terminal_rows;
  size.ws_col = process.terminal_columns;
  if (ioctl(master.get(), TIOCSWINSZ, &size) != 0) return failure("terminal", "TIOCSWINSZ");
  // Not by its path, which would lead through a directory (Linux 4.13).
  slave->reset(ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!*slave) return failure("terminal", "TIOCGPTPEER");
  ReportWriter report(Report::terminal);
  report.u32(process.id);
  const int fds[] = {master.get()};
  if (!report.send(control, fds)) return failure("terminal", "send");
  return success();
}

}  // namespace skillbox
