import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import type { PhantomDicomSpec } from '../../ai/phantom/dicom.ts';
import { runTool } from '../support/peers.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

/** Those that Debian's dciodvfy can read. */
const SYNTAXES = [
  '1.2.840.10008.1.2',
  '1.2.840.10008.1.2.1',
  '1.2.840.10008.1.2.2',
  '1.2.840.10008.1.2.5',
  '1.2.840.10008.1.2.4.70',
  '1.2.840.10008.1.2.4.81',
  '1.2.840.10008.1.2.4.90',
  '1.2.840.10008.1.2.4.91',
];

describe('phantoms before dciodvfy', () => {
  const kinds: Partial<PhantomDicomSpec>[] = [
    { modality: 'CR' },
    { modality: 'DX' },
    { modality: 'DX', view: 'AP', child: true, photometric: 'MONOCHROME1' },
    { modality: 'DX', overrides: { PresentationIntentType: 'FOR PROCESSING' } },
  ];
  for (const kind of kinds) {
    it(`has nothing against ${JSON.stringify(kind)}`, async function () {
      this.timeout(60_000);
      await inTemporaryFolder(async (folder) => {
        for (const transferSyntaxUid of SYNTAXES) {
          const path = join(folder, `${transferSyntaxUid}.dcm`);
          await writeFile(
            path,
            await phantomDicom({ seed: 100_080, columns: 160, rows: 200, opacities: 1, transferSyntaxUid, ...kind }),
          );
          const { output } = await runTool('dciodvfy', [path]);
          assert.doesNotMatch(output, /^Error/m, transferSyntaxUid);
        }
      });
    });
  }
});
