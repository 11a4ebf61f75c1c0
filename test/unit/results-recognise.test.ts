import assert from 'node:assert/strict';
import { resultOrigin } from '../../ai/results/recognise.ts';
import { encodeReport } from '../../ai/results/structured-report.ts';
import { code } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { NOTHING_FOUND, outcomeImage, radiographHeader, studyOutcome } from '../support/results.ts';

const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7';
const DIGITAL_XRAY = '1.2.840.10008.5.1.4.1.1.1.1';
const processing = [{ PurposeOfReferenceCodeSequence: [code('109102', 'DCM', 'Processing Equipment')] }];
const modifying = [{ PurposeOfReferenceCodeSequence: [code('109103', 'DCM', 'Modifying Equipment')] }];

describe('recognising results', () => {
  it('knows its own report again', () => {
    const [report] = encodeReport(studyOutcome([outcomeImage(NOTHING_FOUND)]));
    assert.equal(resultOrigin(parsePart10(report!.bytes).dataset), 'own');
  });

  it('knows its own overlay again after a PACS has added attributes of its own', () => {
    const equipment = { Manufacturer: 'Hilum', ManufacturerModelName: 'Hilum Gateway', ContributingEquipmentSequence: modifying };
    assert.equal(resultOrigin(radiographHeader({ SOPClassUID: SECONDARY_CAPTURE, ...equipment })), 'own');
  });

  it('takes radiographs for sources: straight from the modality, processed, coerced by an archive, synthetic', () => {
    assert.equal(resultOrigin(radiographHeader()), undefined);
    const original = { SOPClassUID: DIGITAL_XRAY, ImageType: ['ORIGINAL', 'PRIMARY'], ContributingEquipmentSequence: processing };
    assert.equal(resultOrigin(radiographHeader(original)), undefined);
    const derived = { SOPClassUID: DIGITAL_XRAY, ImageType: ['DERIVED', 'PRIMARY'], ContributingEquipmentSequence: modifying };
    assert.equal(resultOrigin(radiographHeader(derived)), undefined);
    assert.equal(resultOrigin(radiographHeader({ Manufacturer: 'Hilum', ManufacturerModelName: 'Phantom' })), undefined);
  });

  it('takes a digitised film and a photograph for sources', () => {
    for (const ConversionType of ['DF', 'DI', 'SD']) {
      assert.equal(resultOrigin(radiographHeader({ SOPClassUID: SECONDARY_CAPTURE, ConversionType })), undefined);
    }
  });

  it("tells other systems' results: documents, annotations, captures of images, images that an algorithm made", () => {
    for (const suffix of ['88.33', '88.65', '11.1', '66.4', '104.1']) {
      assert.equal(resultOrigin(radiographHeader({ SOPClassUID: `1.2.840.10008.5.1.4.1.1.${suffix}` })), 'other-ai', suffix);
    }
    const capture = { SOPClassUID: SECONDARY_CAPTURE, ConversionType: 'WSD', ImageType: ['DERIVED', 'SECONDARY'] };
    assert.equal(resultOrigin(radiographHeader(capture)), 'other-ai');
    const suppressed = { SOPClassUID: DIGITAL_XRAY, ImageType: ['DERIVED', 'PRIMARY'], ContributingEquipmentSequence: processing };
    assert.equal(resultOrigin(radiographHeader(suppressed)), 'other-ai');
  });
});
