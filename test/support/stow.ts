// A STOW-RS request of files, as a plain client sends it (PS3.18 10.5).
import { readFile } from 'node:fs/promises';

export async function stowRequest(api: string, paths: string[]): Promise<Response> {
  const parts: Buffer[] = [];
  for (const path of paths) parts.push(Buffer.from('--part\r\nContent-Type: application/dicom\r\n\r\n'), await readFile(path), Buffer.from('\r\n'));
  return fetch(`${api}/dicomweb/studies`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/related; type="application/dicom"; boundary=part', accept: 'application/dicom+json' },
    body: Buffer.concat([...parts, Buffer.from('--part--\r\n')]),
  });
}
