// Media types of datasets without bulk data (PS3.18 table 8.7.3-1).

export const JSON_TYPE = 'application/dicom+json';
export const XML_TYPE = 'application/dicom+xml';
