// Our DICOMweb client against servers with habits of their own.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { searchDicomweb } from '../../gateway/dicomweb-client/qido.ts';
import { DicomwebClient } from '../../gateway/dicomweb-client/request.ts';
import { retrieveDicomweb } from '../../gateway/dicomweb-client/wado.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { SourceUnavailable } from '../../storage/errors.ts';

const never = new AbortController().signal;

describe('the DICOMweb client', () => {
  let server: Server;
  let client: DicomwebClient;
  let answer: (request: IncomingMessage, response: ServerResponse, url: URL) => void;
  let asked: URL[];
  beforeEach(async () => {
    asked = [];
    server = createServer((request, response) => {
      const url = new URL(request.url ?? '', 'http://localhost');
      asked.push(url);
      answer(request, response, url);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    client = new DicomwebClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dicom-web/`, headers: { Authorization: 'Bearer secret' }, timeoutMs: 300 });
  });
  afterEach(async () => {
    client.close();
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });

  const studies = Array.from({ length: 450 }, (_, index) => ({ '0020000D': { vr: 'UI', Value: [`1.2.${index}`] } }));
  const json = (response: ServerResponse, body: unknown, headers: Record<string, string> = {}): void => void response.writeHead(200, { 'Content-Type': 'application/dicom+json', ...headers }).end(JSON.stringify(body));
  const search = async (keys: Record<string, string> = {}, limit?: number): Promise<string[]> =>
    (await Array.fromAsync(searchDicomweb(client, { resource: '/studies', keys, limit }, never))).map((match) => text(match, 'StudyInstanceUID') ?? '');
  const unavailable = (message: RegExp) => (error: unknown): boolean => error instanceof SourceUnavailable && message.test(error.message);

  it('asks page by page until there is no more, also of a server with a limit of its own', async () => {
    answer = (_request, response, url) => {
      const offset = Number(url.searchParams.get('offset') ?? 0);
      const page = studies.slice(offset, offset + Math.min(100, Number(url.searchParams.get('limit'))));
      json(response, page, offset + page.length < studies.length ? { Warning: '299 localhost: "There are additional results that can be requested"' } : {});
    };
    assert.equal(new Set(await search()).size, 450);
    assert.equal(asked.length, 5);
    assert.equal((await search({}, 150)).length, 150);
  });

  it('reads a server that knows no offset once', async () => {
    answer = (_request, response) => json(response, studies.slice(0, 200));
    assert.equal((await search()).length, 200);
    assert.equal(asked.length, 2);
  });

  it('sends keys, what to return, and who it is; takes 204 for none', async () => {
    answer = (request, response) => {
      assert.equal(request.headers.authorization, 'Bearer secret');
      response.writeHead(204).end();
    };
    assert.deepEqual(await search({ PatientName: 'MÜ*', StudyInstanceUID: '1.2\\1.3', StudyDescription: '' }), []);
    assert.equal(asked[0]?.pathname, '/dicom-web/studies');
    assert.deepEqual([...asked[0]!.searchParams], [['PatientName', 'MÜ*'], ['StudyInstanceUID', '1.2,1.3'], ['includefield', 'StudyDescription'], ['limit', '200']]);
  });

  it('says what is wrong with an answer that is none', async () => {
    answer = (_request, response) => void response.end('<html>');
    await assert.rejects(search(), unavailable(/the answer to \/studies is not DICOM JSON/));
    answer = (_request, response) => json(response, [{ PatientID: 'x' }]);
    await assert.rejects(search(), unavailable(/not DICOM JSON/));
    answer = (_request, response) => void response.writeHead(401, { 'Content-Type': 'application/json' }).end('{"message": "token expired"}');
    await assert.rejects(search(), unavailable(/answers 401 Unauthorized: \{"message": "token expired"\}/));
    answer = () => undefined;
    await assert.rejects(search(), unavailable(/silent for 0\.3 s/));
    answer = (request) => void request.socket.destroy();
    await assert.rejects(search(), unavailable(/ECONNRESET|socket hang up/));
  });

  it('leaves a retrieve at once when it is told to, and one that falls silent after its time', async () => {
    const begin = (response: ServerResponse): void => void response.writeHead(200, { 'Content-Type': 'multipart/related; type="application/dicom"; boundary=b' }).write('--b\r\nContent-Type: application/dicom\r\n\r\nDICM');
    answer = (_request, response) => begin(response);
    const take = async (file: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const chunk of file) void chunk;
    };
    await assert.rejects(retrieveDicomweb(client, '/studies/1.2', take, never), unavailable(/silent for 0\.3 s|aborted/));
    const told = new AbortController();
    const left = assert.rejects(retrieveDicomweb(client, '/studies/1.2', take, told.signal), /enough/);
    setTimeout(() => told.abort(new Error('enough')), 50);
    await left;
  });
});
