import { Navigate, useRouter } from '@tanstack/react-router';

/** Leads to signing in, and from there back to this page. */
export function SignInAgain() {
  const router = useRouter();
  return <Navigate to="/sign-in" search={{ return_to: router.state.location.href }} replace />;
}
