import assert from 'node:assert/strict';
import { withBulkDataUris } from '../../gateway/dicomweb/bulk-data-uri.ts';
import type { ArchivedInstance } from '../../storage/archive.ts';
import { dataset } from '../../storage/dicom/dataset.ts';

const EXPLICIT = '1.2.840.10008.1.2.1';
const JPEG_LOSSLESS = '1.2.840.10008.1.2.4.70';
const HEADER = dataset({ Rows: 32, Columns: 32, SamplesPerPixel: 1, PhotometricInterpretation: 'MONOCHROME2', BitsAllocated: 16, BitsStored: 12 });

describe('the address of pixel data in metadata', () => {
  const uriOf = (bytes: number, transferSyntaxUid = EXPLICIT, header = HEADER, frames = 1): string | undefined => {
    const instance: ArchivedInstance = { studyInstanceUid: '1', seriesInstanceUid: '2', sopInstanceUid: '3', sopClassUid: '4', transferSyntaxUid, path: '', bytes, frames, digest: '' };
    return withBulkDataUris(header, instance, 'https://host/instances/3')['7FE00010']?.BulkDataURI;
  };

  it('is there for an image', () => {
    assert.equal(uriOf(2_800), 'https://host/instances/3/bulkdata/7FE00010');
    assert.ok(uriOf(500, JPEG_LOSSLESS), 'compressed, it may be short');
    assert.ok(uriOf(1_500, EXPLICIT, { ...HEADER, ...dataset({ BitsAllocated: 8, SamplesPerPixel: 3, PhotometricInterpretation: 'YBR_FULL_422' }) }) === undefined);
    assert.ok(uriOf(2_400, EXPLICIT, { ...HEADER, ...dataset({ BitsAllocated: 8, SamplesPerPixel: 3, PhotometricInterpretation: 'YBR_FULL_422' }) }));
  });

  it('is not for what has no frames, nor for a header alone, whose file has no room for pixels', () => {
    assert.equal(uriOf(2_800, EXPLICIT, HEADER, 0), undefined);
    assert.equal(uriOf(1_898), undefined);
  });
});
