// Package chaos is what tests under random faults share.
//
//   - Dice are randomness that can be repeated. A Tally counts the faults that
//     really happened.
//   - A Link is around each call of a node. Some nodes have defects that such tests
//     must find.
//   - The models of test/model and test/ringmodel are a Run each: Processes that freeze
//     and crash, Callers that make requests, and Books with what they received.
//   - Storm makes runs in which no promise may be broken, Find those in which a defect
//     must break one.
package chaos
