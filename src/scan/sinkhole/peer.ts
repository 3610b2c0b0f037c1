/** Whom the program believes to be talking to. */
export interface Peer {
  readonly host: string;
  readonly port: number;
  /** Inside TLS. */
  readonly secure: boolean;
}
