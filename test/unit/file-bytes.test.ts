import assert from 'node:assert/strict';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileBytes } from '../../storage/file-bytes.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

describe('the bytes of a file', () => {
  const content = Buffer.from(Uint8Array.from({ length: 1_000_003 }, (_, index) => (index * 31) % 256));
  const withFile = (run: (file: Awaited<ReturnType<typeof open>>) => Promise<void>): Promise<void> =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'file'), content);
      await using file = await open(join(folder, 'file'));
      await run(file);
    });

  it('come in order, whatever range is asked for, and stay until the chunk after the next is asked for', () =>
    withFile(async (file) => {
      for (const [start, end] of [[0, content.length], [5, 6], [262_143, 262_145], [100, 999_999], [7, 7]] as const) {
        const chunks: Buffer[] = [];
        let before: Uint8Array | undefined;
        let kept: Buffer | undefined;
        for await (const chunk of new FileBytes(file, start, end)) {
          if (before && kept) assert.ok(kept.equals(before), 'the chunk before is still what it was');
          [before, kept] = [chunk, Buffer.from(chunk)];
          chunks.push(kept);
        }
        assert.ok(Buffer.concat(chunks).equals(content.subarray(start, end)), `${start} to ${end}`);
      }
    }));

  it('end with an error where the file is shorter than it was', () =>
    withFile(async (file) => {
      await assert.rejects(Array.fromAsync(new FileBytes(file, 0, content.length + 1)), /shorter than it was/);
    }));
});
