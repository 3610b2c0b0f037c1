export async function doctor(_options: { json: boolean }, _out: NodeJS.WritableStream): Promise<number> { return 0; }
