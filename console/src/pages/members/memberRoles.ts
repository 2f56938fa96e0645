/** The roles that a member of an organization has one of. */
export const MEMBER_ROLES = [
  { value: 'owner', label: 'Owner' },
  { value: 'reader', label: 'Reader' },
];

/** The roles that a member of a project has one of. */
export const PROJECT_ROLES = [
  { value: 'owner', label: 'Owner' },
  { value: 'member', label: 'Member' },
  { value: 'viewer', label: 'Viewer' },
];
