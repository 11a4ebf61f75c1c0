// Rendered documents (PS3.18 8.7.4): reports as HTML, encapsulated documents as what they are.
import type { Request, Response } from 'express';
import type { Archive, ArchivedInstance } from '../../storage/archive.ts';
import { bytesOf, get, items, num, text } from '../../storage/dicom/dataset.ts';
import { readBulk, type Part10 } from '../../storage/dicom/part10.ts';
import { isNotModified } from '../http/conditional.ts';
import { HttpError } from '../http/errors.ts';
import { covers } from '../http/header-parameters.ts';
import { sendBody } from '../http/response-body.ts';
import type { Wanted } from './accept.ts';
import { boundaryOf } from './multipart-writer.ts';
import { CACHE_CONTROL, notModified } from './not-modified.ts';
import { readKept } from './pixel-content.ts';
import { reportHtml } from './report-html.ts';
import { serviceRoot } from './service-root.ts';

const ENCAPSULATED: Readonly<Record<string, string>> = {
  '1.2.840.10008.5.1.4.1.1.104.1': 'application/pdf',
  '1.2.840.10008.5.1.4.1.1.104.2': 'text/xml',
};
/** What others wrote is shown and does nothing: no script, no request elsewhere. */
const DOCUMENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
const EDITION = '1';

interface Document {
  type: string;
  bytes(): Promise<Uint8Array>;
}

/** @throws {HttpError} 406 for an instance that is no document, or is none of the accepted types */
export async function sendDocument(request: Request, response: Response, instance: ArchivedInstance, wanted: readonly Wanted[], archive: Archive): Promise<void> {
  const document = documentOf(await readKept(instance, { archive }), serviceRoot(request));
  if (!document) throw new HttpError(406, `Instance ${instance.sopInstanceUid} is neither an image nor a document that can be shown.`);
  const accepted = wanted.some(({ form, type }) => form !== 'multipart' && covers({ type, parameters: new Map() }, document.type));
  if (!accepted) throw new HttpError(406, `This instance is rendered as ${document.type}.`);
  const etag = `"${boundaryOf(EDITION, instance.path, instance.digest, serviceRoot(request)).slice('hilum-'.length)}"`;
  const headers = { ETag: etag, 'Cache-Control': CACHE_CONTROL, Vary: 'Accept', 'Content-Security-Policy': DOCUMENT_POLICY };
  if (isNotModified(request, { etag })) return notModified(response, headers);
  const bytes = await document.bytes();
  const contentType = document.type === 'text/html' ? 'text/html; charset=utf-8' : document.type;
  const body = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes;
  };
  await sendBody(request, response, { status: 200, headers: { ...headers, 'Content-Type': contentType, 'Content-Length': bytes.length } }, body());
}

function documentOf(file: Part10, root: string): Document | undefined {
  const { dataset } = file;
  const type = ENCAPSULATED[text(dataset, 'SOPClassUID') ?? ''];
  const content = get(dataset, 'EncapsulatedDocument');
  if (type && content) {
    return {
      type,
      async bytes() {
        const bytes = bytesOf(content) ?? (await readBulk(file, content));
        // Its own length, without the byte that pads it to an even one (PS3.3 C.24.2).
        return bytes.subarray(0, num(dataset, 'EncapsulatedDocumentLength') ?? bytes.length);
      },
    };
  }
  if (items(dataset, 'ContentSequence').length === 0) return undefined;
  return { type: 'text/html', bytes: async () => Buffer.from(reportHtml(dataset, root)) };
}
