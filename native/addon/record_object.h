#pragma once

#include <napi.h>

namespace skillbox {

// openRecord(fd: number, run: string, maxBytes: number, stopOnFailure: boolean): AuditRecord
//
// Keeps a copy of the descriptor; -1: events are only counted. AuditRecord:
//   write(members: string, denied: boolean): boolean     false: the record has failed and the run is to stop
//   supervise(listener: number, init: number, tables: AuditTables, view: Uint8Array, verdicts: Uint8Array,
//     onHeld: ((call: HeldCall) => void) | undefined, program: number): void
//   release(): void                                        lets go of the file
//   drain(): void                                          when the tasks are dead: all of theirs is recorded and written
//   settle(): boolean                                      what is to come is close(), or nothing
//   close(members: string): boolean                        the last event
//   status(): { events, denied, dropped, bytes: number, errno: number, full: boolean }
Napi::Value open_record(const Napi::CallbackInfo& info);

// answerHeld(key: number, errno: number): void             0: the call goes on
Napi::Value answer_held(const Napi::CallbackInfo& info);

// loadAuditTables(bytes: Uint8Array): AuditTables         opaque
Napi::Value load_audit_tables(const Napi::CallbackInfo& info);

}  // namespace skillbox
