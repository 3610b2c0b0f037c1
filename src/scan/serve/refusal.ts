/** What the service answers instead of a reply: `{"detail": …}` with this status. The message is for the caller. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly status: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
