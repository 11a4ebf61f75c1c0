// Request bodies that are read whole, bounded in length and time.
import type { Request, Response } from 'express';
import { continueBody } from './answer.ts';

/** @throws what `tooLarge` makes of a body beyond `maxBytes` */
export async function readShortBody(request: Request, response: Response, maxBytes: number, milliseconds: number, tooLarge: () => Error): Promise<Buffer> {
  continueBody(request, response);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // A caller that sends a few bytes a minute must not hold the connection.
  const timer = setTimeout(() => request.destroy(), milliseconds);
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks);
}
