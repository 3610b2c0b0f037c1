/** Classic BPF as seccomp takes it: struct sock_filter { u16 code; u8 jt; u8 jf; u32 k; }, linux/filter.h. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** The opcodes a filter of ours uses, all of which seccomp_check_filter (kernel/seccomp.c) permits. */
export const opcode = {
  loadWord: 0x20,
  and: 0x54,
  jump: 0x05,
  jumpEqual: 0x15,
  jumpGreater: 0x25,
  jumpGreaterEqual: 0x35,
  jumpSet: 0x45,
  return: 0x06,
} as const;

/** BPF_MAXINSNS, linux/bpf_common.h. */
export const maxInstructions = 4096;

export const instructionBytes = 8;

/** Little endian, as both architectures are. */
export function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * instructionBytes);
  const view = new DataView(bytes.buffer);
  instructions.forEach((instruction, index) => {
    const offset = index * instructionBytes;
    view.setUint16(offset, instruction.code, true);
    view.setUint8(offset + 2, instruction.jt);
    view.setUint8(offset + 3, instruction.jf);
    view.setUint32(offset + 4, instruction.k, true);
  });
  return bytes;
}

/** @throws RangeError when the length is not a multiple of eight. */
export function decode(program: Uint8Array): Instruction[] {
  if (program.byteLength % instructionBytes !== 0) {
    throw new RangeError(`a BPF program of ${String(program.byteLength)} bytes is cut off`);
  }
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const instructions: Instruction[] = [];
  for (let offset = 0; offset < program.byteLength; offset += instructionBytes) {
    instructions.push({
      code: view.getUint16(offset, true),
      jt: view.getUint8(offset + 2),
      jf: view.getUint8(offset + 3),
      k: view.getUint32(offset + 4, true),
    });
  }
  return instructions;
}
