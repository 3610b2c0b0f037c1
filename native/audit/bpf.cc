#include "bpf.h"

#include <cstring>

namespace skillbox {

// The instructions that seccomp_check_filter() of kernel/seccomp.c allows and our compiler emits.
uint32_t run_filter(std::span<const sock_filter> program, const seccomp_data& data) {
  uint32_t a = 0;
  for (size_t pc = 0; pc < program.size();) {
    const sock_filter& i = program[pc++];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (i.k > sizeof data - 4 || i.k % 4 != 0) return SECCOMP_RET_KILL_PROCESS;
        memcpy(&a, reinterpret_cast<const uint8_t*>(&data) + i.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= i.k;
        break;
      case BPF_JMP | BPF_JA:
        pc += i.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += a == i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        pc += a > i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        pc += a >= i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        pc += (a & i.k) != 0 ? i.jt : i.jf;
        break;
      case BPF_RET | BPF_K:
        return i.k;
      default:
        return SECCOMP_RET_KILL_PROCESS;
    }
  }
  return SECCOMP_RET_KILL_PROCESS;
}

}  // namespace skillbox
