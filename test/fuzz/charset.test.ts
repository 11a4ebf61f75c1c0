// Any text in any character sets: what is written is read again, or is not written.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { textEncoder } from '../../storage/dicom/charset-encoder.ts';
import { textDecoder } from '../../storage/dicom/charset.ts';

const SETS = [[], ['ISO_IR 192'], ['GB18030'], ['ISO_IR 13'], ['ISO_IR 100'], ['ISO_IR 144'], ['', 'ISO 2022 IR 87', 'ISO 2022 IR 159'], ['ISO 2022 IR 13', 'ISO 2022 IR 87'], ['', 'ISO 2022 IR 149'], ['', 'ISO 2022 IR 58'], ['ISO 2022 IR 100', 'ISO 2022 IR 144', 'ISO 2022 IR 87', 'ISO 2022 IR 149']];
/** Mostly what such sets are for, with what delimits values and names between. */
const text = fc.array(fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...'Aé~Жя山田やㅎ홍길东张ﾔﾞŁ€^=\\\t\n ') }, fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 12 }).map((parts) => parts.join(''));

describe('any text', () => {
  it('written in any character sets is read again as it was, or is not written in them', () => {
    let written = 0;
    fc.assert(
      fc.property(fc.constantFrom(...SETS), text, fc.constantFrom('PN', 'LO', 'LT'), (terms, value, vr) => {
        const bytes = textEncoder(terms)(value, vr);
        if (bytes === undefined) return;
        if (/[^ -~]/.test(value)) written++;
        assert.equal(textDecoder(terms)(bytes, vr), value);
      }),
      { numRuns: 3000, seed: 4 },
    );
    assert.ok(written > 300, `${written} texts beyond ASCII were written`);
  });
});
