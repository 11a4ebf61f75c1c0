import assert from 'node:assert/strict';
import { STORAGE_SOP_CLASSES, TRANSFER_SYNTAXES, deriveUid, isUid, transferSyntax } from '../../storage/dicom/uids.ts';

describe('UIDs', () => {
  it('are the same for the same parts, and differ where parts are divided differently', () => {
    assert.equal(deriveUid('2.25', 'a', 'b'), deriveUid('2.25', 'a', 'b'));
    assert.notEqual(deriveUid('2.25', 'ab', ''), deriveUid('2.25', 'a', 'b'));
    assert.notEqual(deriveUid('2.25', 'a'), deriveUid('2.25', 'b'));
  });

  it('below 2.25 are UUIDs as integers, and below every root fit into 64 characters without leading zeros', () => {
    for (let index = 0; index < 200; index++) {
      const uid = deriveUid('2.25', String(index));
      const hex = BigInt(uid.slice(5)).toString(16).padStart(32, '0');
      assert.match(hex, /^.{12}8.{3}[89ab].{15}$/);
      for (const root of ['2.25', '1.2.276.0.7230010.3.1', '1.2.826.0.1.3680043.10']) {
        const derived = deriveUid(root, String(index));
        assert.ok(derived.startsWith(`${root}.`) && derived.length <= 64 && /^[0-2](\.(0|[1-9]\d*))+$/.test(derived), derived);
      }
    }
  });

  it('are recognised as real devices write them, and nothing else is', () => {
    for (const uid of ['1.2.840.10008.1.1', '1.2.03.4', '1', '9'.repeat(64)]) assert.equal(isUid(uid), true, uid);
    for (const uid of ['', '1..2', '.1', '1.', '1.2 ', '1.2a', '9'.repeat(65)]) assert.equal(isUid(uid), false, uid);
  });

  it('cover the storage classes and transfer syntaxes that a chest radiograph and its results need', () => {
    for (const sopClass of ['1', '1.1', '1.1.1', '7', '7.4', '11.1', '66.4', '88.33', '88.34', '104.1'])
      assert.ok(STORAGE_SOP_CLASSES.includes(`1.2.840.10008.5.1.4.1.1.${sopClass}`), sopClass);
    assert.equal(new Set(STORAGE_SOP_CLASSES).size, STORAGE_SOP_CLASSES.length);
    assert.deepEqual(
      Object.keys(TRANSFER_SYNTAXES).filter((uid) => !transferSyntax(uid).explicitVr),
      ['1.2.840.10008.1.2'],
    );
    assert.equal(transferSyntax('1.2.840.10008.1.2.4.90').encapsulated, true);
    assert.equal(transferSyntax('1.2.840.10008.1.2.1.99').deflated, true);
    assert.equal(transferSyntax('1.2.840.10008.1.2.2').bigEndian, true);
    assert.equal(transferSyntax('1.2.999').encapsulated, true);
  });
});
