/** A model's command line as a program's arguments; what it sets is the model's own, and needs no leave of the policy. */
export function shellCommand(command: string, env: Readonly<Record<string, string>> = {}): readonly string[] {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const shell = ["sh", "-c", command];
  return variables.length === 0 ? shell : ["env", ...variables, ...shell];
}
