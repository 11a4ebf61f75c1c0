import assert from 'node:assert/strict';
import { once } from 'node:events';
import { open, readdir, truncate, writeFile } from 'node:fs/promises';
import { createServer, get, type IncomingMessage } from 'node:http';
import { connect, createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import express, { type Request, type Response } from 'express';
import { kernelSender } from '../../gateway/http/kernel-send.ts';
import { CallerLeft, sendBody } from '../../gateway/http/response-body.ts';
import { FileBytes, type Chunk } from '../../storage/file-bytes.ts';
import { waitFor } from '../support/gateway.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

/** More than sockets of both ends hold, so that it comes in many turns. */
const LENGTH = 24_000_001;
const CONTENT = Buffer.from(Uint8Array.from({ length: LENGTH }, (_, index) => (index * 2_654_435_761) >>> 24));
const HEAD = Buffer.from('before ');
const TAIL = Buffer.from(' after');

type Handler = (request: Request, response: Response) => Promise<void>;

async function withServer(handler: Handler, run: (port: number, failed: () => unknown) => Promise<void>): Promise<void> {
  let failure: unknown;
  const app = express().get('/', async (request, response) => {
    await handler(request, response).catch((error: unknown) => {
      failure = error;
      response.destroy();
    });
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await run((server.address() as AddressInfo).port, () => failure);
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

async function ask(port: number): Promise<IncomingMessage> {
  const [response] = (await once(get({ port, host: '127.0.0.1', agent: false }), 'response')) as [IncomingMessage];
  return response;
}

async function received(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

interface Stretch {
  start?: number;
  end?: number;
  /** Whether the length is in the head of the answer. */
  told?: boolean;
}
/** What stands before the file, a stretch of it, and what comes after. */
const sending = (path: string, { start = 0, end = LENGTH, told = true }: Stretch = {}): Handler =>
  async (request, response) => {
    await using file = await open(path);
    const chunks = async function* (): AsyncGenerator<Chunk> {
      yield HEAD;
      yield new FileBytes(file, start, end);
      yield TAIL;
    };
    const length = HEAD.length + end - start + TAIL.length;
    await sendBody(request, response, { status: 200, headers: { 'Content-Length': told ? length : undefined } }, chunks());
  };

const inFolder = (run: (path: string) => Promise<void>): Promise<void> =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'file');
    await writeFile(path, CONTENT);
    await run(path);
  });

describe('a body that is a stretch of a file', () => {
  const STRETCHES: [string, Stretch][] = [
    ['all of it', {}],
    ['its middle', { start: 70_001, end: 9_000_003 }],
    ['one byte', { start: 5, end: 6 }],
    ['nothing', { start: 9, end: 9 }],
    ['a length that was not told', { told: false }],
  ];
  for (const [what, stretch] of STRETCHES)
    it(`comes whole, between what is sent before and after it: ${what}`, () =>
      inFolder((path) =>
        withServer(sending(path, stretch), async (port) => {
          const { start = 0, end = LENGTH } = stretch;
          const bodies = await Promise.all(Array.from({ length: 3 }, async () => received(await ask(port))));
          for (const body of bodies) assert.ok(body.equals(Buffer.concat([HEAD, CONTENT.subarray(start, end), TAIL])));
        })));

  it('waits for a slow reader, and comes whole', () =>
    inFolder((path) =>
      withServer(sending(path), async (port) => {
        const response = await ask(port);
        response.pause();
        await new Promise((resolve) => setTimeout(resolve, 300));
        assert.ok((await received(response)).equals(Buffer.concat([HEAD, CONTENT, TAIL])));
      })));

  it('goes on over the same connection with the next request', () =>
    inFolder((path) =>
      withServer(sending(path, { end: 400_000 }), async (port) => {
        const socket = connect(port, '127.0.0.1');
        let bytes = 0;
        socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
        socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
        await once(socket, 'close');
        assert.ok(bytes > 800_000, `${bytes} bytes`);
      })));

  it('ends with its caller, and leaves no descriptor open', () =>
    inFolder((path) =>
      withServer(sending(path), async (port, failed) => {
        const descriptors = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
        const before = await descriptors();
        const response = await ask(port);
        await once(response, 'readable');
        response.destroy();
        await waitFor(async () => failed() instanceof CallerLeft, 'the end of the response');
        await waitFor(async () => (await descriptors()) <= before, 'descriptors to be closed');
      })));

  it('is broken off where the file has become shorter', () =>
    inFolder((path) =>
      withServer(sending(path), async (port, failed) => {
        const response = await ask(port);
        response.pause();
        await truncate(path, LENGTH - 1);
        await assert.rejects(received(response), /aborted/);
        assert.match(String(failed()), /shorter than it was/);
      })));
});

describe('a file sent by the system', () => {
  it('is what the socket takes at once, from where it is asked for, and nothing once the socket is closed', () =>
    inFolder(async (path) => {
      const server = createSocketServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const accepted = once(server, 'connection') as Promise<[Socket]>;
      const caller = connect((server.address() as AddressInfo).port, '127.0.0.1');
      const [socket] = await accepted;
      await using file = await open(path);
      const sender = kernelSender(socket);
      assert.ok(sender, 'Linux on 64 bits has it');
      const sent = await sender.send(file, 1000, LENGTH);
      assert.ok(sent > 0);
      assert.equal(await sender.send(file, LENGTH, 1), 0, 'there is nothing after the end of the file');
      const crowd = await Promise.all(Array.from({ length: 1000 }, () => sender.send(file, LENGTH, 1)));
      assert.ok(crowd.every((bytes) => bytes === 0), 'more calls than can wait are no error');
      sender[Symbol.dispose]();
      socket.end();
      const chunks: Buffer[] = [];
      for await (const chunk of caller) chunks.push(chunk as Buffer);
      assert.ok(Buffer.concat(chunks).equals(CONTENT.subarray(1000, 1000 + sent)));
      socket.destroy();
      assert.equal(kernelSender(socket), undefined);
      server.close();
    }));
});
