import { useMayGive } from '../../session/me';
import { PERMISSIONS } from '../../session/permissions';

/** The roles that a member of an organization has one of: the present one, and those that may be given. */
export function useMemberRoles(present?: string) {
  const mayMakeOwners = useMayGive()(PERMISSIONS.map(({ value }) => value));
  return [
    ...(mayMakeOwners || present === 'owner' ? [{ value: 'owner', label: 'Owner' }] : []),
    { value: 'reader', label: 'Reader' },
  ];
}

/** The roles that a member of a project has one of. */
export const PROJECT_ROLES = [
  { value: 'owner', label: 'Owner' },
  { value: 'member', label: 'Member' },
  { value: 'viewer', label: 'Viewer' },
];
