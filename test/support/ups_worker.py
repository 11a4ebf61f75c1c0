"""A worker and an orchestrator of IHE AIW-I made with pydicom alone: python3 ups_worker.py work|order API STUDY

work:  claims the published step of the study, reads its images, stores a report, completes the step
order: orders an analysis of the study by the model `first` and waits for its end
Prints one line of JSON.
"""
import datetime
import json
import sys
import time
import urllib.request

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

ROLE, API, STUDY = sys.argv[1:4]
ROOT = API + "/dicomweb"
SR = "1.2.840.10008.5.1.4.1.1.88.33"


def call(method, url, body=None, content="application/dicom+json", accept="application/dicom+json"):
    request = urllib.request.Request(url if url.startswith("http") else ROOT + url, body, method=method)
    request.add_header("Accept", accept)
    if body is not None:
        request.add_header("Content-Type", content)
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.status, response.headers, response.read()


def to_json(dataset):
    return json.dumps(dataset.to_json_dict()).encode()


def step_of(url):
    return Dataset.from_json(json.loads(call("GET", url)[2])[0])


def code(value, scheme, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def wait(ask, what):
    end = time.time() + 60
    while time.time() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.1)
    raise SystemExit("waited for " + what)


def now():
    return datetime.datetime.utcnow().strftime("%Y%m%d%H%M%S.%f") + "+0000"


def content(kind, name, **values):
    item = Dataset()
    item.RelationshipType, item.ValueType, item.ConceptNameCodeSequence = "CONTAINS", kind, [name]
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def report(image):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, SR, generate_uid()
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.is_little_endian, ds.is_implicit_VR = True, False
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName"):
        setattr(ds, keyword, image.get(keyword, ""))
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = SR, meta.MediaStorageSOPInstanceUID, generate_uid()
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = "SR", "Tests", "Mean brightness", "1"
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = [code("126000", "DCM", "Imaging Measurement Report")]
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = "0.25", [code("1", "UCUM", "no units")]
    ds.ContentSequence = [
        content("CODE", code("111017", "DCM", "CAD Processing and Findings Summary"), ConceptCodeSequence=[code("111241", "DCM", "All algorithms succeeded; without findings")]),
        content("NUM", code("122157", "DCM", "Probability"), MeasuredValueSequence=[measured]),
    ]
    out = DicomBytesIO()
    ds.save_as(out, write_like_original=False)
    return ds, out.getvalue()


def work():
    query = "/workitems?ProcedureStepState=SCHEDULED&InputReadinessState=READY&StudyInstanceUID=" + STUDY
    step = Dataset.from_json(wait(lambda: json.loads(call("GET", query)[2]), "a published step")[0])
    url = "/workitems/" + step.SOPInstanceUID
    transaction = generate_uid()
    claim = Dataset()
    claim.ProcedureStepState, claim.TransactionUID = "IN PROGRESS", transaction
    call("PUT", url + "/state", to_json(claim))
    started = now()
    means = []
    for item in step.InputInformationSequence:
        for reference in item.ReferencedSOPSequence:
            instance = item.WADORSRetrievalSequence[0].RetrieveURL + "/instances/" + reference.ReferencedSOPInstanceUID
            image = dcmread(DicomBytesIO(call("GET", instance, accept="application/dicom")[2]))
            means.append(sum(image.PixelData) / len(image.PixelData))
    ds, part10 = report(image)
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + part10 + b"\r\n--x--\r\n"
    call("POST", "/studies", body, 'multipart/related; type="application/dicom"; boundary=x')
    performed = Dataset()
    performed.PerformedStationNameCodeSequence = [code("PY", "99TEST", "pydicom")]
    performed.PerformedProcedureStepStartDateTime, performed.PerformedProcedureStepEndDateTime = started, now()
    performed.PerformedWorkitemCodeSequence = step.ScheduledWorkitemCodeSequence
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = SR, ds.SOPInstanceUID
    output = Dataset()
    output.TypeOfInstances, output.StudyInstanceUID, output.SeriesInstanceUID, output.ReferencedSOPSequence = "DICOM", STUDY, ds.SeriesInstanceUID, [reference]
    performed.OutputInformationSequence = [output]
    update = Dataset()
    update.UnifiedProcedureStepPerformedProcedureSequence = [performed]
    call("POST", url + "?" + transaction, to_json(update))
    claim.ProcedureStepState = "COMPLETED"
    call("PUT", url + "/state", to_json(claim))
    done = step_of(url)
    return {"state": done.ProcedureStepState, "images": len(means), "report": ds.SOPInstanceUID, "locked": "TransactionUID" not in done}


def order():
    step = Dataset()
    step.ScheduledProcedureStepPriority, step.ProcedureStepLabel, step.WorklistLabel = "HIGH", "Bestellt für Müller", "orders"
    step.SpecificCharacterSet = "ISO_IR 192"
    step.ScheduledProcedureStepStartDateTime, step.InputReadinessState, step.ProcedureStepState = now(), "READY", "SCHEDULED"
    step.ScheduledWorkitemCodeSequence = [code("ANALYSIS", "99HILUM", "Analysis of radiographs by AI")]
    model = Dataset()
    model.ValueType, model.ConceptNameCodeSequence, model.TextValue = "TEXT", [code("111001", "DCM", "Algorithm Name")], "first"
    step.ScheduledProcessingParametersSequence = [model]
    study = Dataset()
    study.TypeOfInstances, study.StudyInstanceUID = "DICOM", STUDY
    step.InputInformationSequence = [study]
    step.PatientName, step.PatientID, step.PatientBirthDate, step.PatientSex = "Müller^Jörg=山田^太郎", "GRID", "", ""
    step.CommentsOnTheScheduledProcedureStep = step.AdmissionID = step.AdmittingDiagnosesDescription = ""
    for keyword in ("ScheduledStationNameCodeSequence", "ScheduledStationClassCodeSequence", "ScheduledStationGeographicLocationCodeSequence", "IssuerOfAdmissionIDSequence",
                    "AdmittingDiagnosesCodeSequence", "ReferencedRequestSequence", "ProcedureStepProgressInformationSequence", "UnifiedProcedureStepPerformedProcedureSequence"):
        setattr(step, keyword, [])
    status, headers, _ = call("POST", "/workitems?" + generate_uid(), to_json(step))
    url = headers["Location"]
    done = wait(lambda: (lambda found: found if found.ProcedureStepState in ("COMPLETED", "CANCELED") else None)(step_of(url)), "the order")
    outputs = done.UnifiedProcedureStepPerformedProcedureSequence[0].OutputInformationSequence
    classes = []
    for output in outputs:
        for reference in output.ReferencedSOPSequence:
            instance = output.WADORSRetrievalSequence[0].RetrieveURL + "/instances/" + reference.ReferencedSOPInstanceUID
            classes.append(dcmread(DicomBytesIO(call("GET", instance, accept="application/dicom")[2])).SOPClassUID.name)
    return {"status": status, "state": done.ProcedureStepState, "name": str(done.PatientName), "label": done.ProcedureStepLabel, "outputs": sorted(classes)}


print(json.dumps({"work": work, "order": order}[ROLE]()))
